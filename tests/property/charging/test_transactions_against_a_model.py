"""Any course of starts, readings, stops, replays and reboots against a small model of it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
)

from csms.ledger import migrate
from models.answers import Answer, TransactionAnswer
from models.facts import Fact
from models.tables.charging import Reading, Transaction
from tests.builders.small_house import SmallHouse


@dataclass
class Charge:
    """What the model knows of one transaction."""

    scheme: str
    ocpp_id: str
    evse: int
    first_wh: float
    last_wh: float
    seq_no: int = 0
    open: bool = True
    lost: bool = False
    readings: int = 0


@dataclass
class Said:
    """A message and what it was answered."""

    fact: Fact
    message_id: str
    answer: Answer
    charge: Charge | None = field(default=None)


def _template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="heliofleet-model-")) / "template.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


class StationAgainstModel(RuleBasedStateMachine):
    """One station with two EVSEs; odd EVSEs speak 1.6, even ones 2.x."""

    charges = Bundle("charges")
    template: Path | None = None

    def __init__(self) -> None:
        super().__init__()
        cls = type(self)
        if cls.template is None:
            cls.template = _template()
        self.runner = asyncio.Runner()
        self.house = self.run(self.open_house())
        shutil.copy(cls.template, self.house.db.path)
        self.run(self.house.start())
        self.run(self.house.furnish())
        self.model: list[Charge] = []
        self.history: list[Said] = []
        self.names = 0

    async def open_house(self) -> SmallHouse:
        return SmallHouse("sqlite://", inline=True)

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.house.close())
        self.runner.close()

    def say(self, fact: Fact, charge: Charge | None = None) -> Said:
        self.names += 1
        message_id = f"id-{self.names}"
        answer = self.run(self.house.submit(fact, message_id=message_id))
        return Said(fact, message_id, answer, charge)

    def later(self) -> None:
        self.house.clock.later(seconds=30)

    @rule(
        target=charges,
        evse=st.sampled_from([1, 2]),
        meter_wh=st.integers(0, 50_000),
    )
    def start(self, evse: int, meter_wh: int) -> Any:
        self.later()
        house = self.house
        for charge in self.model:
            if charge.open and charge.evse == evse:
                charge.open, charge.lost = False, True
        if evse == 1:
            said = self.say(house.start_16("CAR-1", evse=1, meter_wh=float(meter_wh)))
            assert isinstance(said.answer, TransactionAnswer)
            number = said.answer.transaction_id
            assert number is not None
            assert 0 < number < 2**31
            assert all(str(number) != charge.ocpp_id for charge in self.model)
            charge = Charge("1.6", str(number), 1, float(meter_wh), float(meter_wh))
        else:
            ocpp_id = f"tx-{len(self.model)}"
            begin = house.read(float(meter_wh), context="Transaction.Begin")
            said = self.say(
                house.event_2x("started", 0, begin, ocpp_id=ocpp_id, evse=2, token="CAR-2")
            )
            charge = Charge("2.x", ocpp_id, 2, float(meter_wh), float(meter_wh), readings=1)
        said.charge = charge
        self.model.append(charge)
        self.history.append(said)
        return charge

    @rule(charge=charges, step_wh=st.integers(-2_000, 2_000))
    def meter(self, charge: Charge, step_wh: int) -> None:
        if not charge.open:
            return
        self.later()
        house = self.house
        value = charge.last_wh + step_wh
        reading = house.read(value, power_w=3000.0)
        if charge.scheme == "1.6":
            fact: Fact = house.meter_16(charge.ocpp_id, reading, evse=1)
        else:
            charge.seq_no += 1
            fact = house.event_2x("updated", charge.seq_no, reading, ocpp_id=charge.ocpp_id, evse=2)
        charge.last_wh = max(charge.last_wh, value)
        charge.readings += 1
        self.history.append(self.say(fact, charge))

    @rule(charge=consumes(charges), step_wh=st.integers(-500, 2_000))
    def stop(self, charge: Charge, step_wh: int) -> None:
        if not charge.open:
            return
        self.later()
        house = self.house
        value = charge.last_wh + step_wh
        if charge.scheme == "1.6":
            fact: Fact = house.stop_16(charge.ocpp_id, value)
        else:
            charge.seq_no += 1
            end = house.read(value, context="Transaction.End")
            fact = house.event_2x("ended", charge.seq_no, end, ocpp_id=charge.ocpp_id, evse=2)
            charge.readings += 1
        charge.open = False
        charge.last_wh = max(charge.last_wh, value)
        self.history.append(self.say(fact, charge))

    @rule(data=st.data(), fresh_id=st.booleans())
    def say_again(self, data: st.DataObject, *, fresh_id: bool) -> None:
        if not self.history:
            return
        said = data.draw(st.sampled_from(self.history))
        starts_16 = isinstance(said.answer, TransactionAnswer) and said.answer.transaction_id
        if starts_16 and said.charge is not None and not said.charge.open:
            fresh_id = False
        self.later()
        before = self.rows()
        again = msgspec.structs.replace(said.fact, received_at=self.house.clock.now())
        message_id = f"again-{self.names}" if fresh_id else said.message_id
        answer = self.run(self.house.submit(again, message_id=message_id))
        assert answer == said.answer
        assert self.rows() == before

    @rule()
    def reboot(self) -> None:
        self.later()
        self.say(self.house.boot())

    def rows(self) -> Any:
        async def collect() -> Any:
            await self.house.activity.quiet()
            transactions = [
                {column.name: getattr(row, column.name) for column in Transaction.__table__.c}
                for row in await self.house.rows(Transaction)
            ]
            readings = [
                (row.ocpp_transaction_id, row.measured_at, row.energy_wh, row.suspect)
                for row in await self.house.rows(Reading)
            ]
            told = [note.id for note in self.house.heard]
            return transactions, readings, told

        return self.run(collect())

    @invariant()
    def the_ledger_agrees_with_the_model(self) -> None:
        transactions, readings, _ = self.rows()
        kept = {row["ocpp_transaction_id"]: row for row in transactions}
        assert set(kept) == {charge.ocpp_id for charge in self.model}
        counts = Counter(ocpp_id for ocpp_id, *_ in readings)
        for charge in self.model:
            row = kept[charge.ocpp_id]
            assert row["energy_wh"] == charge.last_wh - charge.first_wh
            assert (row["stopped_at"] is None) == charge.open
            assert (row["stop_reason"] == "Lost") == charge.lost
            assert counts[charge.ocpp_id] == charge.readings
            if row["stopped_at"] is not None:
                assert row["stopped_at"] - row["started_at"] >= timedelta(0)

    @invariant()
    def each_beginning_and_end_is_told_once(self) -> None:
        told = Counter((note.type, note.subject) for note in self.house.heard)
        for (kind, _), count in told.items():
            if kind in {"transaction.started", "transaction.ended"}:
                assert count == 1
        begun = sum(count for (kind, _), count in told.items() if kind == "transaction.started")
        assert begun == len(self.model)


StationAgainstModel.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestTransactionsAgainstAModel = StationAgainstModel.TestCase
