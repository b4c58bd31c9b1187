"""The page of facts of a station: over REST and a real socket."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from models.tables.charging import ChargingLimit
from models.timeline import parse_rfc3339
from tests.builders.checking import Checking, checking

ADDRESS = "/stations/ST-1/capabilities"
VERSIONS = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])


def said(fact: Any) -> Any:
    return None if fact is None else (fact["value"], fact["source"])


async def facts_once(it: Checking, name: str) -> Any:
    """Returns the page once it tells this."""
    async with asyncio.timeout(60):
        while True:
            facts = await it.house.get(ADDRESS)
            if facts[name] is not None:
                return facts
            await asyncio.sleep(0.02)


@VERSIONS
async def test_the_page_says_what_is_known_and_from_where(database_url: str, version: str) -> None:
    async with checking(database_url, version, record=("below-6a",)) as it:
        facts = await facts_once(it, "limit_units")
        assert said(facts["limit_units"]) == (["W", "A"], "told")
        assert said(facts["stack_level_max"]) == (8, "told")
        assert said(facts["meter_every_s"]) == (30.0, "told")
        assert said(facts["aligned_meter_every_s"]) == (0.0, "told")
        if version == "ocpp1.6":
            assert said(facts["limits_enabled"]) == (True, "told")
            assert said(facts["profiles_max"]) == (16, "told")
        else:
            assert (facts["limits_enabled"], facts["profiles_max"]) == (None, None)
        unknown = ("schedule_periods_max", "switches_phases", "measurands", "reaction_s")
        assert [facts[name] for name in (*unknown, "last_check")] == [None] * 5
        age = it.house.clock.now() - parse_rfc3339(facts["limit_units"]["at"])
        assert timedelta() <= age < timedelta(seconds=20)
        assert facts["manner"] == [
            {
                "quirk": "below-6a",
                "does": "refuses limits between 0 and 6 A",
                "how": "they are sent as 0",
            }
        ]
        assert facts["strict"] is False
        (evse,) = facts["evses"]
        assert said(evse["phases"]) == (1, "record")
        assert said(evse["max_power_w"]) == (3700.0, "record")
        assert (evse["evse_id"], evse["min_power_w"]) == (1, None)


async def test_what_was_seen_is_counted(database_url: str) -> None:
    async with checking(database_url, "ocpp2.0.1", "rejects-tx-profile") as it:
        before = await it.house.get(ADDRESS)
        assert before["purposes"]["transaction"] is None
        check = await it.check()
        facts = await it.house.get(ADDRESS)
        assert said(facts["reaction_s"]) == (check["reaction_s"], "checked")
        assert facts["last_check"]["verdict"] == "good-with-changes"
        assert facts["last_check"]["limit"] == "1495 W, as the default of its EVSE"
        tried = facts["purposes"]["transaction"]
        assert (tried["accepted"], tried["rejected"], tried["unknown"]) == (1, 3, 0)
        default = facts["purposes"]["default"]
        assert (default["accepted"], default["rejected"]) == (1, 0)
        assert facts["purposes"]["station"] is None
        assert (facts["limits"]["accepted"], facts["limits"]["rejected"]) == (2, 3)
        assert facts["limits"]["disobeyed"] == 0
        assert said(facts["metered"])[1] == "observed"
        assert {"energy_wh", "power_w"} <= set(facts["metered"]["value"])
        assert said(facts["evses"][0]["phases_used"]) == (1, "observed")


async def test_what_is_over_for_long_counts_no_more(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", car=False) as it:
        assert (await it.house.get(ADDRESS))["limits"]["accepted"] == 1
        async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
            row = (await work.session.scalars(sa.select(ChargingLimit))).one()
            row.state, row.obeyed_at = "disobeyed", work.now
        facts = await it.house.get(ADDRESS)
        assert (facts["limits"]["obeyed"], facts["limits"]["disobeyed"]) == (1, 1)
        async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
            row = (await work.session.scalars(sa.select(ChargingLimit))).one()
            row.created_at -= timedelta(days=91)
        facts = await it.house.get(ADDRESS)
        assert facts["limits"] is None
        assert facts["purposes"] == dict.fromkeys(("transaction", "default", "station"))


async def test_of_a_station_that_was_never_here_nothing_is_known(sqlite_url: str) -> None:
    async with checking(sqlite_url, "ocpp1.6", car=False) as it:
        await it.house.station("ST-2", "A")
        facts = await it.house.get("/stations/ST-2/capabilities")
        known = {name for name, fact in facts.items() if fact not in (None, [])}
        assert known == {"station", "strict", "purposes"}
        assert set(facts["purposes"].values()) == {None}
        await it.house.get("/stations/NOBODY/capabilities", 404)
