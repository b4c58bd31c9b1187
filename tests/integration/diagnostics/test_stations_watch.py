"""What stations watch and notice by themselves: over REST and real sockets, in 2.0.1 and 2.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models.tables.ledger import Event
from models.timeline import format_rfc3339
from tests.builders.uploading import Uploading, uploading

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
ADDRESS = "/stations/ST-1/monitors"
EVENTS = "/stations/ST-1/station-events"


def a_monitor(**changes: Any) -> dict[str, Any]:
    return {
        "component": "EVSE",
        "evse_id": 1,
        "variable": "Power",
        "kind": "UpperThreshold",
        "value": 1000.0,
        "severity": 4,
    } | changes


async def watch(it: Uploading, *monitors: dict[str, Any]) -> list[str]:
    """Has the station watch; returns what it says of each."""
    told = await it.house.post(ADDRESS, {"monitors": monitors}, 200)
    return [each["status"] for each in told["response"]["setMonitoringResult"]]


async def monitors(it: Uploading) -> list[dict[str, Any]]:
    return (await it.house.get(ADDRESS))["items"]


async def events(
    it: Uploading, enough: Callable[[list[Any]], bool], **query: Any
) -> list[dict[str, Any]]:
    """Returns the events once there are enough."""
    found: list[Any] = []
    try:
        async with asyncio.timeout(60):
            while not enough(found):
                await asyncio.sleep(0.02)
                found = (await it.house.get(EVENTS, **query))["items"]
    except TimeoutError:
        raise AssertionError(found) from None
    return found


@ON_2X
async def test_a_station_watches_what_it_is_told_to(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        told = await watch(
            it,
            a_monitor(),
            a_monitor(component="Toaster"),
            a_monitor(variable="Colour"),
            a_monitor(kind="Periodic"),
            a_monitor(kind="LowerThreshold", value=-1.5, severity=9, transaction=True),
        )
        assert told == [
            "Accepted",
            "UnknownComponent",
            "UnknownVariable",
            "UnsupportedMonitorType",
            "Accepted",
        ]
        first, second = await monitors(it)
        assert (first["id"], first["component"], first["variable"]) == (2, "EVSE@1", "Power")
        assert (first["kind"], first["value"], first["severity"]) == ("UpperThreshold", 1000.0, 4)
        assert (second["id"], second["value"], second["transaction"]) == (3, -1.5, True)
        assert await watch(it, a_monitor()) == ["Duplicate"]
        assert await watch(it, a_monitor(id=2, value=2000.0)) == ["Accepted"]
        assert [each["value"] for each in await monitors(it)] == [2000.0, -1.5]
        await it.house.delete(f"{ADDRESS}/2")
        assert [each["id"] for each in await monitors(it)] == [3]
        await it.house.delete(f"{ADDRESS}/2", 404)


@ON_2X
async def test_a_report_says_what_is_there_and_what_is_gone(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        await watch(it, a_monitor(), a_monitor(evse_id=2))
        it.box.outfit.monitors.clear(2)  # as somebody beside the box may
        await asyncio.sleep(1.1)  # reports count in seconds
        await it.house.post(f"{ADDRESS}/report", {}, 200)
        async with asyncio.timeout(60):
            while [each["id"] for each in await monitors(it)] != [1, 3]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        built_in = (await monitors(it))[0]
        assert (built_in["component"], built_in["variable"]) == ("ChargingStation", "Problem")
        answer = await it.house.http.delete(f"/api/v1{ADDRESS}/1")
        assert (answer.status_code, answer.json()["code"]) == (409, "monitor-kept")
        base = await it.house.http.put(
            "/api/v1/stations/ST-1/monitoring-base", json={"base": "FactoryDefault"}
        )
        assert base.json()["response"]["status"] == "Accepted"
        await asyncio.sleep(1.1)
        await it.house.post(f"{ADDRESS}/report", {}, 200)
        async with asyncio.timeout(60):
            while [each["id"] for each in await monitors(it)] != [1]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@ON_2X
async def test_what_it_notices_is_kept_and_told(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        await watch(it, a_monitor(severity=1), a_monitor(severity=5, value=10.0))
        it.box.evses[1].power_w = 3700.0
        found = await events(it, lambda found: len(found) == 2)
        newest = next(each for each in found if each["monitor_id"] == 2)
        assert (newest["component"], newest["variable"]) == ("EVSE@1", "Power")
        assert (newest["trigger"], newest["cleared"]) == ("Alerting", False)
        assert float(newest["value"]) > 1000
        # 2.0.1 does not say how bad it is: its monitor does.
        assert sorted(each["severity"] for each in found) == [1, 5]
        assert [each["severity"] for each in found if each["alerting"]] == [1]
        (alert,) = await events(it, bool, alerting="true")
        assert alert == newest
        it.box.evses[1].power_w = 0.0
        found = await events(it, lambda found: len(found) == 4)
        assert all(each["cleared"] and not each["alerting"] for each in found[:2])
        for query, number in (
            ({"severity_max": 1}, 2),
            ({"component": "EVSE@1", "variable": "Power"}, 4),
            ({"component": "Toaster"}, 0),
            ({"until": format_rfc3339(it.house.clock.now())}, 4),
            ({"since": format_rfc3339(it.house.clock.now())}, 0),
            ({"alerting": "false"}, 3),
        ):
            assert len((await it.house.get(EVENTS, **query))["items"]) == number, query
        async with it.house.db.read() as session:
            query = sa.select(Event.id).where(Event.type == "station_event.reported")
            assert len(list(await session.scalars(query))) == 4


@ON_2X
async def test_a_fault_is_an_alert_until_it_is_mended_and_can_be_silenced(
    tmp_path: Path, sqlite_url: str, version: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:
        await it.house.post(f"{ADDRESS}/report", {}, 200)
        async with asyncio.timeout(60):
            while not await monitors(it):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        it.box.fault(1, it.house.clock.now())
        (alert,) = await events(it, bool, alerting="true")
        assert (alert["variable"], alert["value"], alert["severity"]) == ("Problem", "true", 2)
        it.box.fault(1, it.house.clock.now(), faulted=False)
        await events(it, lambda found: len(found) == 2)
        level = await it.house.http.put(
            "/api/v1/stations/ST-1/monitoring-level", json={"severity": 1}
        )
        assert level.json()["response"]["status"] == "Accepted"
        it.box.fault(1, it.house.clock.now())
        await asyncio.sleep(0.3)
        assert len((await it.house.get(EVENTS))["items"]) == 2


async def test_16_watches_nothing_and_who_is_away_can_not_be_asked(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp1.6") as it:
        body = {"monitors": [a_monitor()]}
        assert (await it.house.post(ADDRESS, body, 409))["code"] == "not-in-version"
        assert (await it.house.get(ADDRESS))["items"] == []
        await it.house.station("ST-2", "A")
        refused = await it.house.post("/stations/ST-2/monitors", body, 409)
        assert refused["code"] == "station-offline"
        await it.house.post("/stations/nobody/monitors", body, 404)
        await it.house.get("/stations/nobody/station-events", 404)
        for wrong, field in (
            (a_monitor(severity=10), "/monitors/0/severity"),
            (a_monitor(kind="Sometimes"), "/monitors/0/kind"),
            (a_monitor(value="much"), "/monitors/0/value"),
        ):
            refused = await it.house.post(ADDRESS, {"monitors": [wrong]}, 422)
            assert refused["errors"][0]["field"] == field
        viewer = it.house.client(await it.house.key("viewer"))
        assert (await viewer.post(f"/api/v1{ADDRESS}", json=body)).status_code == 403
