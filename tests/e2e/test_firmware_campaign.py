"""A firmware campaign over 50 simulated stations, as an operator runs it: REST and real sockets."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections import Counter
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from models.clocks import RealClock
from simulators.checks import Checks
from simulators.line import Line
from simulators.link import websocket_door
from simulators.station import Station
from tests.builders.service import Service, running_service
from tests.builders.stations import a_kind
from tests.builders.waiting import wait_for

STATIONS = 50
FAILING = 10
WAVE = 12
VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
LOCATION = "https://example.org/fw/box-4.1.0.bin"
_now = RealClock().now


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("campaign")) as running:
        site = {"name": "Yard", "latitude": 48.2, "longitude": 16.4, "timezone": "Europe/Vienna"}
        running.post("/sites", {"id": "yard", "import_limit_w": 1e6, **site})
        yield running


def quirks(number: int) -> frozenset[str]:
    """Which of the stations can't do it: each fifth, in two ways."""
    if number % (STATIONS // FAILING):
        return frozenset()
    return frozenset({"fw-download-failed" if number % 2 else "fw-install-failed"})


class Fleet:
    """Simulated stations in a thread and an event loop of their own."""

    def __init__(self, url: str, passwords: dict[str, str]) -> None:
        self.checks = Checks()
        self.absent: set[str] = set()
        self._ends = False
        self._url = url
        self._passwords = passwords
        self._thread = Thread(target=lambda: asyncio.run(self._play()))

    def __enter__(self) -> Fleet:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._thread.join()

    async def _play(self) -> None:
        await asyncio.gather(*(self._station(number) for number in range(STATIONS)))

    async def _station(self, number: int) -> None:
        identity = f"BOX-{number:02}"
        kind = a_kind(subprotocol=VERSIONS[number % 3])
        box = Station(identity, kind, now=_now(), quirks=quirks(number))
        box.firmware.download_s = box.firmware.install_s = 0.3
        line = Line(
            box,
            connect=websocket_door(self._url),
            password=self._passwords[identity],
            now=_now,
            checks=self.checks,
        )
        box.boot("PowerUp", _now())
        while not self._ends:
            if identity not in self.absent:
                if not line.connected:
                    await line.dial()
                box.speak_up(_now())
                if line.due():
                    await line.drain()
                await line.do_reset()
            await asyncio.sleep(0.1)
        await line.hang_up()


def wish(**more: Any) -> dict[str, Any]:
    return {
        "name": "4.1.0 for the yard",
        "stations": {"site_id": "yard"},
        "firmware": {"location": LOCATION, "firmware_version": "4.1.0"},
        "waves": {"size": WAVE, "pause": "PT1S"},
        **more,
    }


def busiest(stations: list[dict[str, Any]]) -> int:
    """Returns how many were under way at once, at most."""
    begun = [(each["started_at"], 1) for each in stations if each["started_at"]]
    over = [(each["ended_at"], -1) for each in stations if each["started_at"]]
    number = most = 0
    for _, step in sorted(begun + over):
        number += step
        most = max(most, number)
    return most


def test_a_firmware_campaign_over_fifty_stations(service: Service) -> None:
    passwords: dict[str, str] = {}
    for number in range(STATIONS):
        made = service.post("/stations", {"identity": f"BOX-{number:02}", "site_id": "yard"})
        passwords[made["identity"]] = made["password"]
    late = "BOX-49"
    with Fleet(service.ocpp_url, passwords) as fleet:
        fleet.absent.add(late)
        wait_for(
            lambda: (
                service.post("/campaigns/preview", wish(), 200)["ready"] == STATIONS - 1
                and len(service.get("/stations", online="true", limit="100")["items"])
                == STATIONS - 1
            )
        )
        previewed = service.post("/campaigns/preview", wish(), 200)
        waits = [each for each in previewed["stations"] if each["verdict"] == "waits"]
        assert [(each["station"], each["why"]) for each in waits] == [(late, "offline")]
        assert service.get("/campaigns")["items"] == []

        campaign = service.post("/campaigns", wish())
        address = f"/campaigns/{campaign['id']}"
        assert campaign["progress"]["total"] == STATIONS
        wait_for(lambda: service.get(address)["progress"]["done"] > 0)
        assert service.post(f"{address}/pause", {}, 200)["state"] == "paused"
        wait_for(lambda: service.get(address)["progress"]["running"] == 0)
        held = service.get(address)
        time.sleep(1.5)  # longer than the pause between waves
        assert service.get(address)["wave"] == held["wave"] == 1
        assert sum(held["progress"][state] for state in ("done", "failed")) == WAVE
        assert service.post(f"{address}/resume", {}, 200)["state"] == "running"

        wait_for(lambda: service.get(address)["progress"]["waiting"] == 1)
        fleet.absent.clear()
        ended = wait_for(lambda: (now := service.get(address))["ended_at"] and now)
        boots = wait_for(lambda: _all_booted(service, address))
    assert (ended["state"], ended["why"]) == ("finished", None)
    assert ended["progress"] == {
        "total": STATIONS,
        "waiting": 0,
        "running": 0,
        "done": STATIONS - FAILING,
        "failed": FAILING,
        "skipped": 0,
        "missed": 0,
    }
    _check_report(service, address, boots["stations"])
    assert fleet.checks.complaints == []


def _all_booted(service: Service, address: str) -> Any:
    """Returns the report once all that have installed it have told that they run it."""
    report = service.get(f"{address}/report")
    done = [each for each in report["stations"] if each["state"] == "done"]
    return report if all(each["firmware_after"] for each in done) else None


def _check_report(service: Service, address: str, stations: list[dict[str, Any]]) -> None:
    waves = Counter(each["wave"] for each in stations)
    assert max(waves.values()) <= WAVE
    assert len(waves) >= STATIONS // WAVE
    assert busiest(stations) <= WAVE
    for number, each in enumerate(stations):
        found = service.get(f"/stations/{each['station']}/firmware-updates")["items"]
        assert [update["id"] for update in found] == [each["update_id"]]
        assert each["firmware_before"] == "3.2.0"
        if not quirks(number):
            assert (each["state"], each["firmware_after"]) == ("done", "4.1.0")
            continue
        word = "DownloadFailed" if "fw-download-failed" in quirks(number) else "InstallationFailed"
        assert (each["state"], each["status"]) == ("failed", word)
        assert each["why"] == f"the station says {word}"
    answer = service.api.get(f"/api/v1{address}/report", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["station"] for row in rows] == [each["station"] for each in stations]
    assert Counter(row["state"] for row in rows) == {"done": STATIONS - FAILING, "failed": FAILING}
