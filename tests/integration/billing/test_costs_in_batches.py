"""How transactions are priced as the ledger takes in what stations tell."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from csms.billing.intake import COSTS
from csms.billing.reactions import CostTeller
from csms.billing.rules.costs import CostState
from csms.bus.base import EventNote
from csms.charging.intake.kinds import TRANSACTIONS
from csms.charging.rules import TransactionState
from csms.ledger.batch import Rows
from csms.ledger.bulk import SqliteDriver
from models.tables.billing import Tariff, TransactionCost
from models.tables.charging import Transaction
from models.tables.stations import Station
from tests.builders.small_house import NOON, SmallHouse, small_house


async def has_tariff(house: SmallHouse, **station: Any) -> None:
    """Gives the station A-1 a tariff of its own, and other fields."""
    now = house.clock.now()
    async with house.db.write(house.clock, house.ids) as work:
        work.session.add(
            Tariff(
                id="own",
                tenant_id="default",
                name="Own",
                currency="EUR",
                energy_price_per_kwh=Decimal("0.40"),
                charging_price_per_hour=Decimal(0),
                idle_price_per_hour=Decimal(6),
                fixed_fee=Decimal(0),
                elements=[],
                tell_cost="never",
                cost_step_wh=1000.0,
                cost_interval_s=600,
                created_at=now,
                updated_at=now,
            )
        )
        await work.session.flush()
        change = sa.update(Station).where(Station.identity == "A-1")
        await work.session.execute(change.values(tariff_id="own", **station))


async def test_a_station_without_a_site_has_its_own_tariff(database_url: str) -> None:
    async with small_house(database_url) as house:
        await has_tariff(house, site_id=None)
        begin = house.read(1000.0, context="Transaction.Begin")
        await house.submit(house.event_2x("started", 0, begin, token="CAR-1"))
        house.clock.later(minutes=10)
        await house.submit(house.event_2x("updated", 1, house.read(2000.0)))
        row = await house.one(Transaction)
        assert (row.tariff_id, row.cost) == ("own", Decimal("0.40"))
        assert (await house.one(TransactionCost)).terms["timezone"] == "UTC"


async def test_readings_between_two_registers_are_no_idle_time(database_url: str) -> None:
    async with small_house(database_url) as house:
        await has_tariff(house)
        begin = house.read(1000.0, context="Transaction.Begin")
        await house.submit(house.event_2x("started", 0, begin, token="CAR-1"))
        for seq_no, reading in enumerate(
            (
                {"soc_pct": 40.0},  # no register
                {"energy_wh": 1000.0, "power_w": 3600.0},  # which counts whole kWh
                {"energy_wh": 2000.0, "power_w": 3600.0},
                {"energy_wh": 2000.0, "power_w": 0.0},  # some power flowed within
                {"energy_wh": 2000.0, "power_w": 0.0},
            ),
            start=1,
        ):
            house.clock.later(minutes=10)
            register = reading.pop("energy_wh", None)
            event = house.event_2x("updated", seq_no, house.read(register, **reading))
            await house.submit(event)
        cost = await house.one(TransactionCost)
        assert (cost.charging_s, cost.idle_s, cost.idle_cost) == (2400.0, 600.0, Decimal(1))
        assert cost.counted_until - NOON == timedelta(minutes=50)


async def test_the_status_of_a_connector_says_how_a_16_transaction_charges(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        await has_tariff(house)
        await house.submit(house.start_16())
        house.clock.later(minutes=1)
        await house.submit(house.meter_16(1, house.read(1500.0)))
        for status in ("SuspendedEVSE", "SuspendedEV", "Charging"):
            await house.submit(house.status(status))
            house.clock.later(minutes=1)  # which is as it was before
            await house.submit(house.meter_16(1, house.read(1500.0)))
            house.clock.later(minutes=10)
            await house.submit(house.meter_16(1, house.read(1500.0)))
        cost = await house.one(TransactionCost)
        assert (cost.charging_s, cost.held_s, cost.idle_s) == (660.0, 660.0, 720.0)


async def idled(house: SmallHouse) -> CostTeller:
    """A transaction of an hour in which nothing flowed, put right to half of it, and a teller."""
    await has_tariff(house)
    begin = house.read(1000.0, context="Transaction.Begin")
    await house.submit(house.event_2x("started", 0, begin, token="CAR-1"))
    house.clock.later(minutes=60)
    end = house.read(1000.0, context="Transaction.End")
    await house.submit(house.event_2x("ended", 1, end))
    assert (await house.one(Transaction)).cost == Decimal("6.00")
    async with house.db.write(house.clock, house.ids) as work:
        half = sa.update(Transaction).values(stopped_at=NOON + timedelta(minutes=30))
        await work.session.execute(half)
    return CostTeller(db=house.db, clock=house.clock, ids=house.ids, activity=house.activity)


async def test_an_end_that_was_put_right_takes_idle_time_back_at_the_start(
    database_url: str,
) -> None:
    async with small_house(database_url) as house:
        teller = await idled(house)
        await teller.look()
        cost = await house.one(TransactionCost)
        assert (cost.idle_s, cost.idle_cost, cost.suspect) == (1800.0, Decimal(3), [])
        assert (await house.one(Transaction)).cost == Decimal("3.00")


async def test_what_could_not_be_counted_again_is_tried_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_house(database_url) as house:
        teller = await idled(house)
        row = await house.one(Transaction)

        async def fail(*_: Any) -> None:
            raise OSError

        with monkeypatch.context() as broken:
            broken.setattr("csms.billing.reactions.count_again", fail)
            await teller.look()
            about = f"transaction/{row.id}"
            await teller.heard(
                EventNote(1, NOON, "transaction.repaired", "default", None, about, b"")
            )
        assert (await house.one(Transaction)).cost == Decimal("6.00")
        await teller.look()
        assert (await house.one(Transaction)).cost == Decimal("3.00")


def test_a_batch_leaves_alone_what_the_rest_door_has_changed_meanwhile() -> None:
    engine = sa.create_engine("sqlite://")
    for table in (TransactionCost, Transaction):
        table.__table__.create(engine)  # pyright: ignore[reportAttributeAccessIssue]
    raw = engine.raw_connection()
    driver = SqliteDriver(raw.driver_connection)  # pyright: ignore[reportArgumentType]
    cost = CostState(
        *("tx", {"tariff_id": "day"}, NOON, 0.0, 0.0, 0.0),
        *(Decimal(0), Decimal(0), Decimal(0), NOON, 0.0),
    )
    values: dict[str, Any] = dict.fromkeys(TransactionState.__struct_fields__)
    known = TransactionState(
        **values
        | {name: name for name in ("id", "tenant_id", "station", "ocpp_transaction_id")}
        | dict.fromkeys(("started_at", "received_at", "updated_at"), NOON)
        | {"evse_id": 1, "energy_wh": 0.0, "solar_wh": 0.0, "suspect": []}
        | {"tariff_id": "day", "currency": "EUR", "priority_charging": False}
    )
    for kind, row in ((COSTS, cost), (TRANSACTIONS, known)):
        fresh: Rows[Any] = Rows(kind, driver)
        fresh.put(row)
        fresh.write()
    costs, transactions = Rows(COSTS, driver), Rows(TRANSACTIONS, driver)
    costs.load(["tx"])
    transactions.load([("station", "ocpp_transaction_id")])
    raw.execute("""UPDATE transaction_cost SET terms = '{"tariff_id": "night"}'""")
    raw.execute("UPDATE charging_transaction SET tariff_id = 'night'")
    costs.put(CostState(**{n: getattr(cost, n) for n in cost.__struct_fields__} | {"idle_s": 9.0}))
    ended = {n: getattr(known, n) for n in known.__struct_fields__}
    transactions.put(TransactionState(**ended | {"stopped_at": NOON}))
    costs.write()
    transactions.write()
    (found,) = driver.fetch(
        "SELECT idle_s, json_extract(terms, '$.tariff_id') FROM transaction_cost"
    )
    assert found == (9.0, "night")
    (found,) = driver.fetch("SELECT tariff_id, stopped_at IS NULL FROM charging_transaction")
    assert found == ("night", 0)
