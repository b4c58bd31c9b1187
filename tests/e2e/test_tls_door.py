"""`heliofleet serve` with TLS, and `heliofleet station simulate` that comes by it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.builders.pki import Pki
from tests.builders.service import HELIOFLEET, Service, clean_environment, running_service


def simulated(
    folder: Path, service: Service, identity: str, *options: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(*HELIOFLEET, "station", "simulate", identity, "--ocpp-url", service.ocpp_url),
            *options,
        ],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )


def comes(service: Service, identity: str) -> bool:
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        if service.get(f"/stations/{identity}")["online"]:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.timeout(120)
def test_stations_of_profiles_2_and_3_come_to_a_service_that_has_no_other_door(
    tmp_path: Path,
) -> None:
    pki = Pki(tmp_path / "pki")
    certificate, key = pki.server("ec")
    settings = {
        "ocpp_tls_port": "0",
        "ocpp_tls_certificate": str(certificate),
        "ocpp_tls_key": str(key),
        "ocpp_tls_client_ca": str(pki.ca),
        "ocpp_tls_only": "true",
    }
    with running_service(tmp_path, **settings) as service:
        assert service.ocpp_url.startswith("wss://")
        site = {"id": "A", "name": "A", "latitude": 45.0, "longitude": 4.0, "timezone": "UTC"}
        service.post("/sites", site | {"import_limit_w": 90_000})
        made = service.post("/stations", {"identity": "two", "site_id": "A", "security_profile": 2})
        service.post("/stations", {"identity": "three", "site_id": "A", "security_profile": 3})
        own, secret = pki.station("three")
        root = ("--tls-ca", str(pki.ca))
        boxes = [
            simulated(tmp_path, service, "two", "--password", made["password"], *root),
            simulated(
                tmp_path, service, "three", "--certificate", str(own), "--key", str(secret), *root
            ),
        ]
        try:
            assert comes(service, "two")
            assert comes(service, "three")
        finally:
            for box in boxes:
                box.terminate()
                box.communicate(timeout=20)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--ocpp-url", "ws://h:1/ocpp", "--tls-ca", "x"), "wss"),
        (("--ocpp-url", "wss://h:1/ocpp"), "--tls-ca"),
        (("--ocpp-url", "wss://h:1/ocpp", "--tls-ca", "x", "--key", "k"), "go together"),
        (("--ocpp-url", "wss://h:1/ocpp", "--tls-ca", "missing.pem"), "--tls-ca"),
        (("--ocpp-url", "ws://h:1/ocpp", "--keys", "."), "--tls-url"),
        (("--ocpp-url", "ws://h:1/ocpp", "--keys", "no", "--tls-url", "wss://h:1/o"), "no folder"),
        (("--ocpp-url", "ws://h:1/ocpp", "--tls-url", "ws://h:1/ocpp"), "--tls-url"),
        (("--ocpp-url", "ws://h:1/ocpp", "--tls-url", "h"), "--tls-url"),
    ],
)
def test_wrong_tls_options_are_one_line(
    tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    done = subprocess.run(
        [*HELIOFLEET, "station", "simulate", "B", *options],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_certificate_that_is_no_use_ends_serve_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    done = subprocess.run(
        [*HELIOFLEET, "serve", "--http-port", "0", "--ocpp-port", "0"],
        cwd=tmp_path,
        env=clean_environment(
            ocpp_tls_port="0", ocpp_tls_certificate="bad.pem", ocpp_tls_key="bad.pem"
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "bad.pem" in done.stderr
    assert "Traceback" not in done.stderr
