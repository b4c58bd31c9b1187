"""A station's whole way, as an operator goes it: a password, TLS, a certificate, renewal, the end.

Two processes of the command line over real sockets: the service, which is restarted in between, and
a simulated station with a folder for its keys.
"""

from __future__ import annotations

import socket
import sqlite3
import subprocess
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from csms.gateway.memory import basic
from tests.builders.pki import Pki
from tests.builders.service import HELIOFLEET, Service, clean_environment, running_service
from tests.builders.waiting import wait_for

BOX = "BOX-1"
_DAY_US = int(timedelta(days=1) / timedelta(microseconds=1))


@contextmanager
def simulated(folder: Path, service: Service, *options: str) -> Generator[None]:
    """Runs the station; it comes without TLS, by its password."""
    (folder / "keys").mkdir()
    urls = ("--ocpp-url", service.ocpp_url, "--tls-url", service.tls_url, "--keys", "keys")
    box = subprocess.Popen(
        [*HELIOFLEET, "station", "simulate", BOX, *urls, *options],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        box.terminate()
        box.wait(20)


def raised(service: Service, target: int, **wishes: Any) -> None:
    """Leads the station to a security profile, to the end."""
    wanted = {"target": target, "csms_url": service.tls_url, **wishes}
    service.post(f"/stations/{BOX}/security-profile", wanted, 202)

    def ended() -> Any:
        change = service.get(f"/stations/{BOX}/security-changes")["items"][0]
        return change["state"] != "running" and change

    assert wait_for(ended)["state"] == "done"
    assert service.get(f"/stations/{BOX}")["security_profile"] == target
    wait_for(lambda: service.get(f"/stations/{BOX}")["online"])


def certificates(service: Service) -> list[Any]:
    return service.get(f"/stations/{BOX}/certificates")["items"]


def refused(service: Service, password: str) -> None:
    """A thief who knows the password comes without TLS."""
    with pytest.raises(InvalidStatus) as refusal:
        connect(
            f"{service.ocpp_url}/{BOX}", additional_headers={"Authorization": basic(BOX, password)}
        )
    assert refusal.value.response.status_code == 401


def let_time_pass(database: Path, days_left: int) -> None:
    """Has the certificates of stations end soon, as far as the service knows."""
    connection = sqlite3.connect(database)
    with connection:
        passed_us = (365 - days_left) * _DAY_US
        for column in ("not_before", "not_after"):
            connection.execute(
                f"UPDATE station_certificate SET {column} = {column} - ?",
                (passed_us,),
            )
    connection.close()


def free_ports(number: int) -> list[str]:
    """Returns ports that nobody listens on: the station is to find the same ones again."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in taken]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_from_a_password_to_a_certificate_its_renewal_and_its_end(
    tmp_path: Path, version: str
) -> None:
    pki = Pki(tmp_path / "pki")
    pairs = [pki.server(kind) for kind in ("ec", "rsa")]
    plain, tls = free_ports(2)
    settings = {
        "ocpp_tls_port": tls,
        "ocpp_tls_certificate": ",".join(str(certificate) for certificate, _ in pairs),
        "ocpp_tls_key": ",".join(str(key) for _, key in pairs),
    }

    def serving() -> AbstractContextManager[Service]:
        return running_service(tmp_path, "--ocpp-port", plain, **settings)

    with ExitStack() as stack:
        with serving() as service:
            site = {"id": "A", "name": "A", "latitude": 45.0, "longitude": 4.0, "timezone": "UTC"}
            service.post("/sites", site | {"import_limit_w": 90_000})
            password = service.post("/stations", {"identity": BOX, "site_id": "A"})["password"]
            options = ("--password", password, "--version", version)
            stack.enter_context(simulated(tmp_path, service, *options))
            wait_for(lambda: service.get(f"/stations/{BOX}")["online"])
            raised(service, 2, root_certificate=pki.ca.read_text())
            refused(service, password)
            raised(service, 3)
            (first,) = certificates(service)
            assert (first["status"], first["issued_here"]) == ("in-use", True)
        let_time_pass(tmp_path / "heliofleet.db", days_left=20)
        with serving() as service:
            new, old = renewed(service)
            assert (old["id"], old["renewal"]["state"]) == (first["id"], "renewed")
            wait_for(lambda: service.get(f"/stations/{BOX}")["online"])
            revoked(service, (new, old))
            refused(service, password)


def renewed(service: Service) -> list[Any]:
    """Returns both certificates once the station comes by the second, that nobody asked for."""

    def done() -> Any:
        found = certificates(service)
        return len(found) == 2 and found[0]["status"] == "in-use" and found[1]["renewal"] and found

    wait_for(done)
    wait_for(lambda: certificates(service)[1]["renewal"]["state"] == "renewed")
    return certificates(service)


def revoked(service: Service, held: Iterable[Any]) -> None:
    """Revokes certificates: the station is cut off, and its next coming refused."""
    for each in held:
        service.post(f"/stations/{BOX}/certificates/{each['id']}/revoke", None, 200)
    wait_for(lambda: not service.get(f"/stations/{BOX}")["online"])

    def told() -> bool:
        events = service.get(f"/stations/{BOX}/security-events")["items"]
        return "certificate-revoked" in {each["type"] for each in events}

    wait_for(told)
    assert {each["status"] for each in certificates(service)} == {"revoked"}
