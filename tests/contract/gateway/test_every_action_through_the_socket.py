"""Every action of every version, in both directions: over a real socket, REST and SQLite.

What each does is told by the table of `docs/reference/ocpp.md`, and proved by the test that its row
names. Here is the floor under all of them: the smallest valid request goes through, is answered by
the schema, and stands in the message log.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from csms.ocpp.versions import DIALECTS
from tests.builders.ocpp_payloads import request_schema, schema_of, valid
from tests.builders.played_station import IDENTITY, PlayedStation, played_station

LINES = {dialect.version: dialect.coverage() for dialect in DIALECTS}
VERSION = pytest.mark.parametrize("version", list(LINES))


def smallest(version: str, action: str) -> Any:
    return valid(request_schema(version, action), random.Random(7), fullness=0.0)


def an_answer(version: str, action: str) -> Any:
    return valid(schema_of(version, f"{action}Response"), random.Random(7), fullness=0.0)


async def logged(station: PlayedStation, action: str, direction: str) -> list[Any]:
    await station.house.activity.quiet()
    page = await station.house.get(
        f"/stations/{IDENTITY}/messages", action=action, direction=direction
    )
    return page["items"]


@VERSION
async def test_all_that_stations_say_is_answered_and_kept(sqlite_url: str, version: str) -> None:
    async with played_station(sqlite_url, version) as station:
        for line in LINES[version]:
            if line.initiator == "csms" or line.action == "NotifyPeriodicEventStream":
                continue
            await station.call(line.action, smallest(version, line.action))
            if line.action != "Heartbeat":  # answered from memory, and not kept
                assert await logged(station, line.action, "in"), line.action


@VERSION
async def test_all_that_we_may_say_is_sent_and_its_answer_told(
    sqlite_url: str, version: str
) -> None:
    async with played_station(sqlite_url, version) as station:
        for line in LINES[version]:
            if line.initiator == "station":
                continue
            answer = an_answer(version, line.action)
            await station.order(line.action, smallest(version, line.action), answer)
            (kept, *_) = await logged(station, line.action, "out")
            assert kept["answer"] == answer, line.action
