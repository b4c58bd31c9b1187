"""Checks of new stations: over REST and real sockets, in all three versions."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from csms.checks.actions import HELD_FOR
from csms.planning.rules import Period
from models.commands import LimitPeriod, SetLimit
from models.tables.charging import ChargingLimit
from models.tables.planning import PlanRequest
from simulators.profiles import Purpose
from tests.builders.checking import ADDRESS, PACE, Checking, checking, codes, states

VERSIONS = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
LONG = replace(PACE, obey_within=timedelta(seconds=60))
ALL = (
    *("connection", "settings", "status", "meter", "clock", "safe-limit"),
    *("limit", "read-back", "obeyed", "released"),
)


async def report(it: Checking, check: Any) -> str:
    answer = await it.house.http.get(f"/api/v1{ADDRESS}/{check['id']}/report")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/markdown")
    return answer.text


def plan_profiles(it: Checking) -> list[float]:
    """Returns the limits that the box holds above its safe one."""
    stored = it.box.limits.stored()
    return [each.periods[0].limit_w for each in stored if each.stack_level > 0]


@VERSIONS
async def test_a_good_box_is_good(database_url: str, version: str) -> None:
    async with checking(database_url, version) as it:
        check = await it.check()
        assert states(check) == dict.fromkeys(ALL, "passed"), check
        assert (check["verdict"], check["findings"]) == ("good", [])
        assert 0.2 <= check["reaction_s"] < 2
        (limit,) = await it.limits()
        assert (limit.state, limit.plan_id) == ("superseded", None)
        assert limit.periods[0]["limit_w"] == 1495.0
        assert plan_profiles(it) == []
        held = [each.purpose for each in it.box.limits.stored()]
        assert held == [Purpose.DEFAULT], "the safe limit stays in the box"
        async with it.house.db.read() as session:
            assert await session.scalar(sa.select(PlanRequest.site_id)) == "A"
        text = await report(it, check)
        assert "**Good.**" in text
        assert re.search(r"\| obeyed \| passed \| from 3[07]00 W to 1495 W within", text)
        subject = f"station_check/{check['id']}"
        assert await it.house.events(subject) == [
            "station_check.requested",
            *["station_check.changed"] * len(ALL),
            "station_check.ended",
        ]
        page = await it.house.get(ADDRESS)
        assert [each["id"] for each in page["items"]] == [check["id"]]
        assert (await it.house.get(ADDRESS, state="running"))["items"] == []


@VERSIONS
@pytest.mark.parametrize("quirk", ["rejects-tx-profile", "a-only", "ignores-tx-profile"])
async def test_a_box_that_needs_another_way_gets_it_on_its_record(
    sqlite_url: str, version: str, quirk: str
) -> None:
    async with checking(sqlite_url, version, quirk) as it:
        check = await it.check()
        assert check["verdict"] == "good-with-changes", check
        assert (states(check)["limit"], states(check)["obeyed"]) == ("passed", "passed")
        assert [each["quirk"] for each in check["findings"]] == [quirk]
        assert f"Put the quirk `{quirk}` on" in await report(it, check)
        assert (await it.house.get("/stations/ST-1"))["quirks"] == []
        assert plan_profiles(it) == []
        again = await it.check(apply=True)
        assert again["applied"] == [quirk]
        assert "(Done: it is on the record.)" in await report(it, again)
        assert (await it.house.get("/stations/ST-1"))["quirks"] == [quirk]
        await it.house.activity.quiet()
        third = await it.check()
        assert (third["verdict"], third["findings"]) == ("good", []), third


async def test_who_keeps_limits_in_another_way_is_not_planned_around(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", "ignores-tx-profile") as it:
        (transaction,) = (await it.house.get("/transactions", station="ST-1"))["items"]
        now = it.house.clock.now()
        async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
            work.session.add(
                ChargingLimit(
                    id="before",
                    plan_id="plan-1",
                    site_id="A",
                    station="ST-1",
                    evse_id=1,
                    ocpp_transaction_id=transaction["ocpp_transaction_id"],
                    purpose="transaction",
                    created_at=now,
                    valid_to=now + timedelta(hours=2),
                    periods=[Period(now, 3000.0).document()],
                    state="disobeyed",
                )
            )
        begun = await it.begin(apply=True)
        trial = await _trial(it)
        async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
            row = await work.session.get_one(ChargingLimit, trial.id)
            row.state = "disobeyed"  # as the one who watches limits says after a minute
        check = await it.until(begun["id"], "done")
        assert (check["applied"], states(check)["obeyed"]) == (["ignores-tx-profile"], "passed")
        _, first, second, after = await it.limits()
        assert (first.state, first.detail) == ("superseded", "kept once it was sent as a default")
        assert second.state == "superseded"
        assert after.plan_id == "plan-1"
        assert (after.state, after.detail) == ("superseded", "to be sent in another manner")


@VERSIONS
async def test_a_box_that_lies_is_found_out(sqlite_url: str, version: str) -> None:
    async with checking(sqlite_url, version, "ignores-limits", safe_limit_w=3000.0) as it:
        check = await it.check(limit_w=1500.0)
        assert check["verdict"] == "limits-not-kept", check
        assert states(check) == dict.fromkeys(ALL, "passed") | {
            "obeyed": "failed",
            "released": "skipped",
        }
        assert codes(check) == {"limit-not-kept"}
        (step,) = [each for each in check["steps"] if each["step"] == "obeyed"]
        assert step["figures"]["after_w"] == 3700.0
        assert step["figures"]["reaction_s"] is None
        assert check["reaction_s"] is None
        assert plan_profiles(it) == []


@VERSIONS
async def test_without_a_car_the_meter_is_not_watched(sqlite_url: str, version: str) -> None:
    async with checking(sqlite_url, version, "a-only", car=False) as it:
        check = await it.check()
        ended = states(check)
        assert (ended["limit"], ended["obeyed"], ended["released"]) == (
            "passed",
            "skipped",
            "skipped",
        )
        assert check["verdict"] == "good-with-changes"
        assert codes(check) == {"a-only", "no-car"}
        assert "Plug in a car" in await report(it, check)
        assert plan_profiles(it) == []
        assert await it.limits() == []


@pytest.mark.parametrize(
    ("version", "quirk", "found"),
    [
        ("ocpp1.6", "integer-amps", {"integer-amps"}),
        ("ocpp2.0.1", "stack0-only", {"stack0-only"}),
        ("ocpp2.1", "relative-only", {"relative-only"}),
        ("ocpp1.6", "numberphases-required", {"numberphases-required"}),
        ("ocpp2.0.1", "conn0-rejected", {"conn0-rejected"}),
    ],
)
async def test_other_odd_ways_are_found(
    sqlite_url: str, version: str, quirk: str, found: set[str]
) -> None:
    async with checking(sqlite_url, version, quirk) as it:
        check = await it.check()
        assert found <= codes(check), check
        assert states(check)["limit"] == "passed"
        assert check["verdict"] == "good-with-changes"


async def test_a_box_that_refuses_all_is_not_usable(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", "ems-disabled") as it:
        check = await it.check()
        assert check["verdict"] == "not-usable"
        assert states(check)["limit"] == "failed"
        assert codes(check) == {"limits-refused", "safe-limit-not-kept"}
        (step,) = [each for each in check["steps"] if each["step"] == "limit"]
        assert step["figures"]["ways_tried"] == len(step["asked"]) == len(step["answered"]) > 8
        assert set(step["answered"]) == {"rejected"}
        assert "smart charging, EMS" in await report(it, check)


async def test_a_limit_that_is_kept_per_phase_is_seen(sqlite_url: str) -> None:
    kind = {"phases": 3, "max_power_w": 11_040.0, "min_power_w": 4140.0, "safe_limit_w": 11_000.0}
    async with checking(sqlite_url, "ocpp1.6", "total-vs-phase", car=False, **kind) as it:
        await it.charge(max_ac_power_w=11_040.0, capacity_wh=50_000.0, soc_wh=10_000.0)
        check = await it.check(limit_w=2500.0)
        assert check["verdict"] == "limits-not-kept"
        assert "total-vs-phase" in {each["quirk"] for each in check["findings"]}, check


async def test_a_box_without_power_in_its_values_is_told_what_to_meter(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", "energy-only") as it:
        check = await it.check()
        assert {"no-power", "not-seen"} <= codes(check)
        assert states(check)["obeyed"] == "inconclusive"
        assert check["verdict"] == "good-with-changes"
        text = await report(it, check)
        assert "Add Power.Active.Import to MeterValuesSampledData in the box" in text


async def test_settings_that_do_harm_are_named(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", car=False) as it:
        for name, value in (("MeterValueSampleInterval", "900"), ("ConnectionTimeOut", "10")):
            assert it.box.variables.set(name, value) == "Accepted"
        check = await it.check()
        assert codes(check) == {"meters-seldom", "little-time-to-plug-in", "no-car"}
        changes = " ".join(each["change"] for each in check["findings"])
        assert "MeterValueSampleInterval in the box to 30, because" in changes


async def test_what_a_plan_had_put_into_the_box_is_put_back(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp2.0.1") as it:
        (transaction,) = (await it.house.get("/transactions", station="ST-1"))["items"]
        now = it.house.clock.now()
        async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
            order = SetLimit(
                evse_id=1,
                purpose="transaction",
                ocpp_transaction_id=transaction["ocpp_transaction_id"],
                profile_id=11,
                stack_level=1,
                periods=(LimitPeriod(0, 2000.0), LimitPeriod(3600, 0.0)),
                duration_s=7200,
                start_at=now,
            )
            periods = (Period(now, 2000.0, ("SUN",)), Period(now + timedelta(hours=1), 0.0))
            work.session.add(
                ChargingLimit(
                    id="before",
                    plan_id="plan-1",
                    site_id="A",
                    station="ST-1",
                    evse_id=1,
                    ocpp_transaction_id=transaction["ocpp_transaction_id"],
                    purpose="transaction",
                    created_at=now,
                    valid_to=now + timedelta(hours=2),
                    periods=[each.document() for each in periods],
                    state="queued",
                    command_id=work.order(order, station="ST-1", origin="plan"),
                )
            )
        async with asyncio.timeout(60):
            await _trial(it)
            while it.box.evses[1].power_w != 2000.0:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        check = await it.check(limit_w=3500.0)
        assert states(check)["obeyed"] == "inconclusive", "a trial never lets more flow than before"
        assert plan_profiles(it) == [2000.0]
        check = await it.check()
        assert (check["verdict"], states(check)["released"]) == ("good", "passed"), check
        limits = await it.limits()
        await it.house.activity.quiet()
        assert limits[-1].plan_id == "plan-1"
        assert [each["limit_w"] for each in limits[-1].periods] == [2000.0, 0.0]
        (profile,) = [each for each in it.box.limits.stored() if each.stack_level > 0]
        assert [each.limit_w for each in profile.periods] == [2000.0, 0.0]
        assert 3500 < profile.periods[1].start_s < 3600


async def test_a_plan_that_comes_between_has_the_say(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", "ignores-limits", pace=LONG) as it:
        begun = await it.begin()
        trial = await _trial(it)
        async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
            values = {name: getattr(trial, name) for name in ("station", "evse_id", "periods")}
            work.session.add(
                ChargingLimit(
                    id="plan",
                    site_id="A",
                    ocpp_transaction_id=trial.ocpp_transaction_id,
                    purpose="transaction",
                    created_at=work.now,
                    state="accepted",
                    **values,
                )
            )
        check = await it.until(begun["id"], "done")
        assert states(check)["obeyed"] == "inconclusive"
        assert len(plan_profiles(it)) == 1, "what a plan has sent is left alone"


async def _trial(it: Checking) -> ChargingLimit:
    """Returns the limit of a check once the box holds it."""
    async with asyncio.timeout(60):
        while True:
            found = [each for each in await it.limits() if each.state in ("accepted", "obeyed")]
            if found:
                return found[-1]
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.1"])
async def test_a_check_is_cancelled_and_its_limit_goes(sqlite_url: str, version: str) -> None:
    async with checking(sqlite_url, version, "ignores-limits", pace=LONG) as it:
        begun = await it.begin()
        answer = await it.begin(409)
        assert answer["code"] == "check-running"
        limit = await _trial(it)
        assert limit.valid_to is not None
        assert limit.valid_to - limit.created_at == HELD_FOR
        assert len(plan_profiles(it)) == 1
        address = f"{ADDRESS}/{begun['id']}/cancel"
        check = await it.house.post(address, {}, 200)
        assert (check["state"], check["verdict"]) == ("cancelled", None)
        async with asyncio.timeout(60):
            while plan_profiles(it):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await it.limits())[-1].state == "superseded"
        assert (await it.house.post(address, {}, 409))["code"] == "check-over"
        assert "**No verdict:** the check was cancelled." in await report(it, check)
        other = await it.begin()
        await it.house.post(f"{ADDRESS}/{other['id']}/cancel", {}, 200)


async def test_a_station_that_leaves_breaks_its_check_off(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp2.0.1", "ignores-limits", pace=LONG) as it:
        begun = await it.begin()
        await _trial(it)
        it.dials = False
        await it.line.hang_up()
        check = await it.until(begun["id"], "broken-off")
        assert (check["verdict"], check["why"]) == (None, "the connection was lost")
        assert states(check)["limit"] == "passed"
        # The next plan must not take what the box may still hold for its own.
        assert (await it.limits())[-1].state == "superseded"
        assert (await it.begin(409))["code"] == "station-offline"


async def test_a_check_does_not_survive_a_restart(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", "ignores-limits", pace=LONG) as it:
        begun = await it.begin()
        await _trial(it)
        await it.checker.stop()
        assert (await it.house.get(f"{ADDRESS}/{begun['id']}"))["state"] == "running"
        await it.checker.start()
        check = await it.until(begun["id"], "broken-off")
        assert check["why"] == "the service was restarted"


async def test_who_may_check_what(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", car=False) as it:
        wrong = await it.begin(422, evse_id=7)
        assert wrong["errors"][0]["field"] == "/evse_id"
        assert (await it.begin(422, limit_w=-1.0))["errors"][0]["field"] == "/limit_w"
        await it.house.post("/stations/NOBODY/checks", {}, 404)
        async with it.house.client(await it.house.key("viewer")) as viewer:
            assert (await viewer.post(f"/api/v1{ADDRESS}", json={})).status_code == 403
            assert (await viewer.get(f"/api/v1{ADDRESS}")).status_code == 200
        check = await it.check()
        await it.house.get(f"/stations/NOBODY/checks/{check['id']}", 404)
        await it.house.station("ST-2", "A")
        await it.house.get(f"/stations/ST-2/checks/{check['id']}", 404)


async def test_a_second_outlet_is_checked_within_its_share_of_the_safe_limit(
    sqlite_url: str,
) -> None:
    async with checking(sqlite_url, "ocpp2.0.1", evses=2, safe_limit_w=4000.0, car=False) as it:
        check = await it.check(evse_id=2)
        assert check["verdict"] == "good-with-changes", check
        (step,) = [each for each in check["steps"] if each["step"] == "limit"]
        assert step["figures"]["limit_w"] == 1380.0
        check = await it.check(evse_id=2, limit_w=9000.0)
        (step,) = [each for each in check["steps"] if each["step"] == "limit"]
        assert step["figures"]["limit_w"] == 2000.0


async def test_one_check_after_the_other_is_done(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", car=False) as it:
        for _ in range(3):
            begun = await it.begin()
            async with asyncio.timeout(60):
                while (await it.house.get(f"{ADDRESS}/{begun['id']}"))["state"] == "running":  # noqa: ASYNC110
                    await asyncio.sleep(0)
        page = await it.house.get(ADDRESS)
        assert [each["state"] for each in page["items"]] == ["done"] * 3
