"""`heliofleet station simulate` against a real service, over real sockets, as a person runs it."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.builders.service import HELIOFLEET, Service, clean_environment, running_service
from tests.builders.waiting import wait_for

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("station")) as running:
        site = {"name": "Yard", "latitude": 48.2, "longitude": 16.4, "timezone": "Europe/Vienna"}
        # In the shadow, so that no plan comes between the box and what it is told here.
        running.post("/sites", {"id": "yard", "import_limit_w": 11000, "shadow": True, **site})
        yield running


class Box:
    """A simulated station's process, and what it has said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def hear(self, part: str) -> str:
        """Returns the next line with `part` in it."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                self.said.append(self._lines.get(timeout=0.5))
            except queue.Empty:
                assert self.process.poll() is None, (part, self.said)
                continue
            if part in self.said[-1]:
                return self.said[-1]
        raise AssertionError((part, self.said))

    def close(self) -> None:
        """Ends the process, if it still runs, and everything about it."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(10.0)


@contextmanager
def simulated(service: Service, identity: str, *options: str) -> Iterator[Box]:
    command = [*HELIOFLEET, "station", "simulate", identity, "--ocpp-url", service.ocpp_url]
    process = subprocess.Popen(
        [*command, *options],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    box = Box(process)
    try:
        yield box
    finally:
        box.close()


def new_station(service: Service, identity: str) -> str:
    """Creates a station and returns its password."""
    return service.post("/stations", {"identity": identity, "site_id": "yard"})["password"]


def new_car(service: Service, name: str) -> None:
    model = {"name": name, "vehicle_class": "city", "battery_capacity_wh": 16000}
    power = {"max_ac_power_w": 3700, "consumption_wh_per_km": 140}
    service.post("/vehicle-models", {"id": name, **model, **power})
    car = {"id": name, "model_id": name, "site_id": "yard", "id_tokens": [f"CARD-{name}"]}
    service.post("/vehicles", car)


def transactions(service: Service, identity: str) -> list[Any]:
    return service.get("/transactions", station=identity)["items"]


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_card_charges_the_car_and_stopping_ends_the_transaction(
    service: Service, version: str, how: signal.Signals
) -> None:
    name = f"{version}-{how.name}"
    password = new_station(service, f"BOX-{name}")
    new_car(service, name)
    options = ("--password", password, "--version", version, "--token", f"CARD-{name}")
    with simulated(service, f"BOX-{name}", *options, "--meter-every-s", "1") as box:
        assert box.hear("connected").endswith(f"connected, ocpp{version}")
        box.hear("booted: Accepted")
        box.hear("plugged in, car at 50 %")
        box.hear("charging at 3700 W")

        def metered() -> Any:
            return next((t for t in transactions(service, f"BOX-{name}") if t["energy_wh"]), None)

        charging = wait_for(metered)
        assert charging["vehicle_id"] == name
        assert charging["power_w"] == pytest.approx(3700, abs=1)
        assert box.stop(how) == 0
        box.hear("transaction ended")
        box.hear("unplugged")
    (ended,) = transactions(service, f"BOX-{name}")
    assert ended["stopped_at"] is not None
    assert ended["suspect"] == []


def test_without_a_card_it_waits_for_a_remote_start(service: Service) -> None:
    password = new_station(service, "BOX-R")
    new_car(service, "R")
    with simulated(service, "BOX-R", "--password", password, "--soc-pct", "20") as box:
        box.hear("plugged in, car at 20 %")
        payload = {"evseId": 1, "remoteStartId": 7}
        token = {"idToken": {"idToken": "CARD-R", "type": "ISO14443"}}
        order = {"action": "RequestStartTransaction", "payload": {**payload, **token}}
        answer = service.post("/stations/BOX-R/commands", order, 200)
        assert answer["response"]["status"] == "Accepted"
        assert box.hear("charging at 3700 W").endswith("car at 20 %")
        assert box.stop(signal.SIGTERM) == 0


def test_a_limit_is_told_when_it_comes_and_when_it_holds(service: Service) -> None:
    password = new_station(service, "BOX-H")
    new_car(service, "H")
    options = ("--password", password, "--version", "1.6", "--token", "CARD-H")
    with simulated(service, "BOX-H", *options) as box:
        assert box.hear("charging at 3700 W").endswith("car at 50 %")
        for limit_w, line in ((2000.0, "charging at 2000 W (limit 2000 W)"), (0.0, "held back")):
            period = {"startPeriod": 0, "limit": limit_w}
            schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
            profile = {
                "chargingProfileId": 90,
                "stackLevel": 5,
                "chargingProfilePurpose": "ChargePointMaxProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": schedule,
            }
            payload = {"connectorId": 0, "csChargingProfiles": profile}
            order = {"action": "SetChargingProfile", "payload": payload}
            answer = service.post("/stations/BOX-H/commands", order, 200)
            assert answer["response"]["status"] == "Accepted"
            box.hear(line)
        assert box.stop(signal.SIGTERM) == 0


def test_a_lost_connection_is_dialled_again(service: Service) -> None:
    password = new_station(service, "BOX-L")
    with simulated(service, "BOX-L", "--password", password) as box:
        box.hear("booted: Accepted")
        service.post("/stations/BOX-L/disconnect", {}, 200)
        box.hear("connection lost")
        box.hear("connected, ocpp2.0.1")
        assert box.stop(signal.SIGTERM) == 0


def test_a_station_that_nobody_knows_says_that_it_waits(service: Service) -> None:
    with simulated(service, "BOX-NEW") as box:
        assert box.hear("booted: ").endswith("booted: Pending; waits to be approved")
        assert box.stop(signal.SIGTERM) == 0


def test_a_wrong_password_is_one_line_and_exit_1(service: Service) -> None:
    new_station(service, "BOX-W")
    with simulated(
        service, "BOX-W", "--password", "wrong-password-0123456789", "--connect-within-s", "1"
    ) as box:
        assert box.process.wait(PATIENCE_S) == 1
        assert box.process.stderr is not None
        said = box.process.stderr.read()
    assert said.startswith("heliofleet: no answer within 1 s: BOX-W: ")
    assert "401" in said
    assert said.count("\n") == 1


def test_a_version_that_the_record_forbids_is_told_and_exit_1(service: Service) -> None:
    made = service.post(
        "/stations", {"identity": "BOX-V", "site_id": "yard", "ocpp_versions": ["ocpp1.6"]}
    )
    with simulated(
        service, "BOX-V", "--password", made["password"], "--connect-within-s", "2"
    ) as box:
        assert box.process.wait(PATIENCE_S) == 1
        assert box.process.stderr is not None
        said = box.process.stderr.read()
    assert "the service closes the connection before it answers" in said
