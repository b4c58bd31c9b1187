"""Rows of a batch are written by few statements, and are what they were, whatever is in them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from csms.ledger.bulk import PostgresDriver, SqliteDriver
from models.facts import NoteReported
from models.tables.charging import Reading, Transaction
from models.tables.ledger import Message
from models.tables.stations import Station
from tests.builders.small_house import NOON, small_house

ODD_TEXTS = [
    "",
    "plain",
    "between \x1f two",
    "\x1e",
    "gap \x1e within",
    "\x1f",
    'quote " and \\ backslash {,}',
    "NULL",
    "é 电 🚗\n\t",
]


@pytest.mark.parametrize(
    "texts", [ODD_TEXTS, ODD_TEXTS[:2], ["", ""], [""], ["\x1e"], ODD_TEXTS[6:]]
)
async def test_any_text_is_kept_word_by_word(database_url: str, texts: list[str]) -> None:
    async with small_house(database_url) as house:
        names = [f"B-{number}" for number in range(len(texts))]
        await house.add(
            *(Station(identity=n, site_id="A", created_at=NOON, updated_at=NOON) for n in names)
        )
        await asyncio.gather(
            *(
                house.submit(
                    NoteReported(station=name, received_at=NOON, action="x", payload=text.encode()),
                    payload=text.encode(),
                )
                for name, text in zip(names, texts, strict=True)
            )
        )
        kept = {row.station: row.payload for row in await house.rows(Message)}
        assert kept == dict(zip(names, texts, strict=True))


async def test_an_instant_that_comes_twice_in_one_batch_is_merged(database_url: str) -> None:
    async with small_house(database_url) as house:
        start = await house.submit(house.start_16())
        house.clock.later(seconds=60)
        energy, power, again = (
            house.read(1500.0),
            house.read(None, power_w=7000.0, other={"a": 1}),
            house.read(9999.0, power_w=1.0, other={"a": 2, "b": 3}),
        )
        await house.submit(house.meter_16(start.transaction_id, energy, power, again))
        row = await house.one(Reading)
        assert (row.energy_wh, row.power_w, row.other) == (1500.0, 7000.0, {"a": 1, "b": 3})


@pytest.mark.parametrize("driver", [SqliteDriver, PostgresDriver])
async def test_an_instant_that_comes_a_hundred_times_is_written_once(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, driver: type[Any]
) -> None:
    """Else who repeats itself in a message as long as may be would hold up all others."""
    url = "sqlite_url" if driver is SqliteDriver else "postgres_url"
    written: list[int] = []
    fetch, many = driver.fetch, driver.many

    def fetching(self: Any, sql: str, parameters: Any = ()) -> Any:
        if sql.startswith('INSERT INTO "reading"'):
            written.append(parameters[0].count("\x1f") + 1)
        return fetch(self, sql, parameters)

    def writing(self: Any, sql: str, rows: Any) -> None:
        if sql.startswith('INSERT INTO "reading"'):
            written.append(len(rows))
        many(self, sql, rows)

    async with small_house(request.getfixturevalue(url)) as house:
        start = await house.submit(house.start_16())
        house.clock.later(seconds=60)
        readings = [house.read(1500.0 + number) for number in range(100)]
        monkeypatch.setattr(driver, "fetch", fetching)
        monkeypatch.setattr(driver, "many", writing)
        await house.submit(house.meter_16(start.transaction_id, *readings, house.read(None)))
        row = await house.one(Reading)
        assert row.energy_wh == 1500.0
    assert written == [1]


async def test_what_is_merged_at_once_is_what_comes_of_one_after_the_other(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        parts = (
            {"power_w": 7.0},
            {"energy_wh": 1500.0, "current_a": (1.0, None), "other": {"a": 1, "c": 1}},
            {"energy_wh": 1.0, "current_a": (2.0, 2.0), "other": {"a": 2, "b": 2}},
            {"voltage_v": (230.0,), "soc_pct": 40.0, "other": {"d": "x"}},
        )
        kept: list[Any] = []
        for evse in (1, 2):
            readings = [house.read(**values) for values in parts]
            together = [readings] if evse == 1 else [[each] for each in readings]
            for each in together:
                await house.submit(house.meter_16(None, *each, evse=evse))
            row = await house.one(Reading, evse_id=evse)
            measured = (row.energy_wh, row.power_w, row.current_a, row.voltage_v, row.soc_pct)
            kept.append((*measured, list((row.other or {}).items())))
        assert kept[0] == kept[1]
        assert kept[0][:2] == (1500.0, 7.0)


async def test_transactions_of_one_batch_are_each_moved_on(database_url: str) -> None:
    async with small_house(database_url) as house:
        names = [f"B-{number}" for number in range(30)]
        await house.add(
            *(Station(identity=n, site_id="A", created_at=NOON, updated_at=NOON) for n in names)
        )
        starts = await asyncio.gather(
            *(house.submit(house.start_16(None, station=name)) for name in names)
        )
        house.clock.later(seconds=60)
        await asyncio.gather(
            *(
                house.submit(
                    house.meter_16(
                        start.transaction_id,
                        house.read(1000.0 + place, current_a=(16.0, None, 15.5)),
                        station=name,
                    )
                )
                for place, (name, start) in enumerate(zip(names, starts, strict=True))
            )
        )
        kept = {row.station: row.meter_last_wh for row in await house.rows(Transaction)}
        assert kept == {name: 1000.0 + place for place, name in enumerate(names)}
        currents = [row.current_a for row in await house.rows(Reading)]
        assert currents == [[16.0, None, 15.5]] * len(names)
