"""`heliofleet serve` as a process of its own, on free ports and a fresh database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

KEY = "key-of-a-test-" + "0" * 32
HELIOFLEET = (sys.executable, "-m", "csms.cli")


@dataclass(frozen=True)
class Service:
    """A running service and an admin's client."""

    http_url: str
    ocpp_url: str
    api: httpx.Client
    tls_url: str = ""
    """Of the door with TLS, where there is another one without."""

    def post(self, path: str, body: Any, status: int = 201) -> Any:
        answer = self.api.post(f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(self, path: str, **query: Any) -> Any:
        answer = self.api.get(f"/api/v1{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment of this process without our settings, and with these."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HELIOFLEET_")}
    return {**kept, **{f"HELIOFLEET_{name.upper()}": value for name, value in settings.items()}}


@contextmanager
def running_service(folder: Path, *arguments: str, **settings: str) -> Iterator[Service]:
    """Runs the service in `folder` until the block ends, and then expects it to end well."""
    process = subprocess.Popen(
        [*HELIOFLEET, "serve", "--http-port", "0", "--ocpp-port", "0", *arguments],
        cwd=folder,
        env=clean_environment(bootstrap_api_key=KEY, **settings),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        both = "ocpp_tls_port" in settings and "ocpp_tls_only" not in settings
        doors = [process.stdout.readline().split(" ")[0] for _ in range(3 if both else 2)]
        assert all(doors), "the service has ended by itself"
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=doors[0], headers=headers, timeout=60.0) as api:
            yield Service(doors[0], doors[1], api, *doors[2:])
        process.terminate()
        assert process.wait(20.0) == 0
    finally:
        process.kill()
        process.communicate()
