"""Reports of a station's settings, whole and by criteria: over REST and real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.builders.uploading import Uploading, uploading
from tests.builders.waiting import until

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
ADDRESS = "/stations/ST-1/variables"


async def report(it: Uploading, body: dict[str, Any], kind: str = "report") -> Any:
    """Asks for a report; returns the question once it is over, one way or the other."""
    asked = await it.house.post(f"{ADDRESS}/{kind}", body)
    path = f"/stations/ST-1/inquiries/{asked['id']}"
    return await until(lambda: it.house.get(path), lambda shown: shown["ended_at"] is not None)


async def told_since(it: Uploading, inquiry: Any) -> set[tuple[str, str]]:
    """Returns the settings that were told since a question was asked."""
    found = await it.house.get(ADDRESS, updated_since=inquiry["asked_at"], limit=500)
    return {(each["component"], each["variable"]) for each in found["items"]}


@ON_2X
async def test_a_report_tells_what_fits(tmp_path: Path, database_url: str, version: str) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        body: dict[str, Any] = {"variables": [{"component": "AuthCtrlr"}]}
        inquiry = await report(it, body)
        assert (inquiry["state"], inquiry["parts"], inquiry["why"]) == ("complete", 2, None)
        assert inquiry["asked"]["variables"] == [{"component": "AuthCtrlr"}]
        told = await told_since(it, inquiry)
        assert {component for component, _ in told} == {"AuthCtrlr"}
        assert len(told) == 3
        heartbeat = {"component": "OCPPCommCtrlr", "variable": "HeartbeatInterval"}
        inquiry = await report(it, {"variables": [heartbeat]})
        assert await told_since(it, inquiry) == {("OCPPCommCtrlr", "HeartbeatInterval")}
        inquiry = await report(it, {"criteria": ["Enabled"]})
        told = await told_since(it, inquiry)
        assert {component for component, _ in told} == {"AuthCacheCtrlr", "LocalAuthListCtrlr"}
        nothing = await report(it, {"criteria": ["Problem"]})
        assert (nothing["state"], nothing["parts"]) == ("empty", 0)
        places = [{"component": "AuthCtrlr", "evse_id": n, "variable": "X"} for n in range(5)]
        refused = await report(it, {"variables": places})
        assert (refused["state"], refused["why"]) == ("refused", "Rejected")


@ON_2X
async def test_each_base_report_can_be_asked_for(
    tmp_path: Path, sqlite_url: str, version: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:
        full = await report(it, {"base": "full"}, "base-report")
        whole = await told_since(it, full)
        some = await report(it, {"base": "configuration"}, "base-report")
        settable = await told_since(it, some)
        assert settable < whole
        assert ("SmartChargingCtrlr", "RateUnit") in whole - settable
        unknown = await report(it, {"base": "summary"}, "base-report")
        assert unknown["state"] == "unsupported"
        events = await it.house.events(f"inquiry/{full['id']}")
        assert events == ["inquiry.ended"]


async def test_wrong_questions_are_refused(tmp_path: Path, sqlite_url: str) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp2.0.1") as it:
        for body, field in (
            ({}, ""),
            ({"criteria": ["Sometimes"]}, "/criteria/0"),
            ({"criteria": ["Active", "Active"]}, ""),
            ({"variables": [{"component": "A", "connector_id": 1}]}, "/variables/0"),
            ({"variables": [{"component": "A", "instance": "1"}]}, "/variables/0"),
        ):
            refused = await it.house.post(f"{ADDRESS}/report", body, 422)
            assert refused["errors"][0]["field"] == field, body
        await it.house.post(f"{ADDRESS}/base-report", {"base": "half"}, 422)
        await it.house.post("/stations/nobody/variables/base-report", {"base": "full"}, 404)
        await it.house.get("/stations/ST-1/inquiries/none", 404)
