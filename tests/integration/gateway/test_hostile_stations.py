"""Stations that send harm, by the thousand and through real sockets, in both directions.

No wrong code, no connection that dies and should live, no row that a later reader fails on. Two
thousand frames of each version at every run of the tests. `make soak` sends 100,000 of each, half
of them to a station whose record says `strict`, and looks at the memory as well.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from csms.ocpp.versions import DIALECTS
from tests.builders.hostile import (
    CODES,
    Harm,
    broken_frames,
    faulty_calls,
    hostile_answers,
    noise,
)
from tests.builders.ocpp_payloads import request_schema, valid
from tests.builders.played_station import IDENTITY, PlayedStation, played_station

VERSIONS = pytest.mark.parametrize("version", [dialect.version for dialect in DIALECTS])
MANY = pytest.mark.parametrize(
    "frames",
    [
        1_000,
        pytest.param(50_000, marks=(pytest.mark.soak, pytest.mark.timeout(3600))),
    ],
)
CHUNK = 50
FLAT_MIB = 24
"""What a hundred thousand frames may leave behind: caches, and SQLite's pages."""
SPARED = {"NotifyPeriodicEventStream"}
"""A SEND, which is never answered."""
DIALECT_OF = {dialect.version: dialect for dialect in DIALECTS}


def harms(version: str, *, strict: bool, seed: int) -> Iterator[Harm]:
    """Yields harm without end."""
    dialect = DIALECT_OF[version]
    actions = sorted(dialect.station_actions - SPARED)
    for number in count(seed):
        chance = random.Random(number)
        for place, action in enumerate(chance.sample(actions, 4)):
            tag = f"{number}.{place}{action[:12]}"
            if strict:
                faulty = list(faulty_calls(version, action, chance, tag))
                yield from chance.sample(faulty, min(len(faulty), 20))
            else:
                yield from noise(version, action, chance, tag)
        yield from broken_frames(version, str(number))


class Raw:
    """A connection by which anything can be sent."""

    def __init__(self, link: ClientConnection, version: str) -> None:
        self.link = link
        self.version = version
        self.sent = 0

    async def send(self, some: list[Harm]) -> None:
        """Sends harm, and checks what comes back before a heartbeat is answered."""
        self.sent += len(some)
        last = f"last-{self.sent}"
        for harm in some:
            await self.link.send(harm.data.decode())
        await self.link.send(f'[2,"{last}","Heartbeat",{{}}]')
        answers: dict[str, list[Any]] = {}
        while True:
            frame = msgspec.json.decode(await asyncio.wait_for(self.link.recv(), 60))
            if frame[0] == 2:  # ours, about which nobody here knows anything
                refusal = msgspec.json.encode([4, frame[1], "InternalError", "", {}])
                await self.link.send(refusal.decode())
                continue
            if frame[1] == last:
                break
            assert frame[0] == 3 or frame[2] in CODES[self.version], frame
            answers.setdefault(frame[1], []).append(frame)
        for harm in some:
            if harm.message_id is not None:
                (frame,) = answers.get(harm.message_id, [None])
                assert frame is not None, f"no answer to {harm.data!r}"
                code = "" if frame[0] == 3 else frame[2]
                assert code in harm.codes, (harm, frame)


@asynccontextmanager
async def raw(station: PlayedStation) -> AsyncIterator[Raw]:
    """Comes as the station, and then as somebody who has taken it over."""
    await station.come()
    link = await station.hand_over()
    yield Raw(link, station.version)
    await link.close()


async def all_is_readable(station: PlayedStation) -> None:
    """Reads everything that REST shows of a station."""
    await station.house.activity.quiet()
    paths = [f"/stations/{IDENTITY}", "/transactions", "/reconciliation"]
    paths += [
        f"/stations/{IDENTITY}/{part}"
        for part in ("variables", "security-events", "certificates", "firmware-statuses")
    ]
    paths += [f"/stations/{IDENTITY}/{part}" for part in ("monitors", "station-events")]
    for path in paths:
        cursor: str | None = None
        while True:
            page = await station.house.get(path, **({"cursor": cursor} if cursor else {}))
            if path == "/transactions":
                for each in page["items"]:
                    await station.house.get(f"/transactions/{each['id']}/meter-values")
            cursor = page.get("next_cursor")
            if not cursor:
                break
    exported = await station.house.http.get("/api/v1/messages/export", params={"format": "ndjson"})
    assert exported.status_code == 200
    for line in exported.text.splitlines():
        msgspec.json.decode(line)


def memory_mib() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


@VERSIONS
@MANY
@pytest.mark.parametrize("strict", [True, False])
async def test_harm_is_answered_as_the_version_demands_and_costs_nothing(
    sqlite_url: str, version: str, frames: int, strict: bool
) -> None:
    async with (
        played_station(sqlite_url, version, come=False, strict=strict) as station,
        raw(station) as line,
    ):
        source = harms(version, strict=strict, seed=frames)
        settled_mib = 0.0
        while line.sent < frames:
            await line.send(list(islice(source, CHUNK)))
            if settled_mib == 0.0 and line.sent > frames / 4:
                settled_mib = memory_mib()
        if frames > 10_000:
            assert memory_mib() - settled_mib < FLAT_MIB
        await all_is_readable(station)


@VERSIONS
@MANY
async def test_hostile_answers_settle_the_command_and_cost_nothing(
    sqlite_url: str, version: str, frames: int
) -> None:
    async with played_station(sqlite_url, version) as station:
        actions = sorted(DIALECT_OF[version].csms_actions)
        done = 0
        for seed in count():
            if done >= frames / 10:
                break
            chance = random.Random(seed)
            action = chance.choice(actions)
            asked = valid(request_schema(version, action), random.Random(7), fullness=0.0)
            answers = list(hostile_answers(version, action, chance))
            for answer in chance.sample(answers, min(len(answers), 12)):
                station.raw_replies[action] = answer
                told = await station.house.http.post(
                    f"/api/v1/stations/{IDENTITY}/commands",
                    json={"action": action, "payload": asked},
                )
                assert told.status_code in {200, 502, 504}, (answer, told.text)
                msgspec.json.decode(told.content)
                done += 1
        station.raw_replies.clear()
        assert await station.call("Heartbeat", {})
        await all_is_readable(station)
