"""Limits that stations hold, and limits from elsewhere: over REST and real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models.tables.planning import PlanRequest
from simulators.outside import impose, release
from simulators.profiles import Period, Profile, Purpose
from tests.builders.uploading import Uploading, uploading
from tests.builders.waiting import until

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
HELD = "/stations/ST-1/charging-profiles"
OUTSIDE = "/stations/ST-1/external-limits"


async def held(it: Uploading) -> dict[int, dict[str, Any]]:
    return {each["id"]: each for each in (await it.house.get(HELD))["items"]}


async def refresh(it: Uploading) -> Any:
    asked = await it.house.post(f"{HELD}/report", {})
    path = f"/stations/ST-1/inquiries/{asked['id']}"
    return await until(lambda: it.house.get(path), lambda shown: shown["ended_at"] is not None)


def a_profile(it: Uploading, number: int, **changes: Any) -> Profile:
    values: dict[str, Any] = {
        "id": number,
        "evse_id": 0,
        "purpose": Purpose.DEFAULT,
        "stack_level": 0,
        "kind": "Relative",
        "periods": (Period(0, 4_000.0),),
        "received_at": it.house.clock.now(),
    }
    return Profile(**(values | changes))


@ON_2X
async def test_a_report_tells_our_limits_those_of_others_and_what_is_gone(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        assert (await refresh(it))["state"] == "empty"
        now = it.house.clock.now()
        it.box.set_profile(a_profile(it, 1), now)  # as the safe limit of a station comes
        by_hand = a_profile(
            it,
            77,
            evse_id=1,
            stack_level=3,
            kind="Recurring",
            recurrency="Daily",
            start_at=now,
            duration_s=3600.0,
            periods=(Period(0, 0.0), Period(1800, 2_000.0)),
        )
        it.box.set_profile(by_hand, now)
        impose(it.box, 5_000.0, now)
        inquiry = await refresh(it)
        assert (inquiry["state"], inquiry["parts"]) == ("complete", 3)
        shown = await held(it)
        assert {number: each["state"] for number, each in shown.items()} == {
            1: "ours",
            77: "foreign",
            -1: "foreign",
        }
        assert (shown[-1]["source"], shown[-1]["purpose"]) == ("EMS", "external")
        told = shown[77]
        assert (told["evse_id"], told["purpose"], told["stack_level"]) == (1, "default", 3)
        assert (told["kind"], told["recurrence"]) == ("Recurring", "Daily")
        (schedule,) = told["schedules"]
        assert [each["limit_w"] for each in schedule["periods"]] == [0.0, 2_000.0]
        assert schedule["duration_s"] == 3600
        it.box.limits.clear(profile_id=77, evse_id=None, purpose=None, stack_level=None)
        await refresh(it)
        assert (await held(it))[77]["state"] == "gone"


@ON_2X
async def test_a_limit_from_elsewhere_is_shown_until_it_is_over(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        impose(it.box, 5_000.0, it.house.clock.now(), source="SO")
        path = f"/api/v1{OUTSIDE}"

        async def active() -> list[Any]:
            answer = await it.house.http.get(path, params={"active": "true"})
            return answer.json()["items"]

        (limit,) = await until(active, bool)
        assert (limit["source"], limit["evse_id"], limit["grid_critical"]) == ("SO", 0, True)
        assert limit["schedules"][0]["periods"] == [
            {"start_s": 0, "limit_w": 5_000.0, "phases": None}
        ]
        async with it.house.db.read() as session:
            assert await session.scalar(sa.select(PlanRequest.reason)) == "limit from elsewhere"
        release(it.box, source="SO")
        await until(active, lambda found: not found)
        (over,) = (await it.house.get(OUTSIDE))["items"]
        assert not over["active"]
        assert over["cleared_at"] is not None
        assert (await it.house.events("station/ST-1")).count("outside_limit.changed") == 2


async def test_16_can_not_tell_what_it_holds(tmp_path: Path, sqlite_url: str) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp1.6") as it:
        assert (await it.house.post(f"{HELD}/report", {}, 409))["code"] == "not-in-version"
        await it.house.get("/stations/nobody/charging-profiles", 404)
        await it.house.get("/stations/nobody/external-limits", 404)
        viewer = it.house.client(await it.house.key("viewer"))
        assert (await viewer.post(f"/api/v1{HELD}/report", json={})).status_code == 403
