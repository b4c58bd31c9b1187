"""Bad input through real sockets, in all versions, on both databases.

A clear answer in the form of the door, nothing lost, and the connection goes on. What can't be told
apart by version or database is in `test_conversation`, who comes in in `test_letting_in`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from websockets.exceptions import ConnectionClosed

from models.tables.charging import Reading, Reconciliation, Transaction
from models.tables.ledger import Quarantine
from models.tables.stations import Connector
from models.timeline import format_rfc3339
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import Rig, answer, call, closed, connected, encode, rig

VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS)
FORM = {"ocpp1.6": "FormationViolation", "ocpp2.0.1": "FormatViolation"}
MISSING = dict.fromkeys(("ocpp1.6", "ocpp2.0.1"), "OccurenceConstraintViolation")
POISON = {
    "NaN": "NaN",
    "infinity": "-Infinity",
    "a number beyond all bounds": "1e999",
    "an integer beyond 64 bits": "99999999999999999999",
    "a depth bomb": "[" * 5_000 + "]" * 5_000,
    "a half depth bomb": "[" * 40 + "]" * 40,
    "NUL": '"a\\u0000b"',
    "a lone surrogate": '"\\ud800"',
}


class Charge:
    """One transaction, in the words of a version."""

    def __init__(self, version: str, at: datetime) -> None:
        self.version = version
        self.at = at
        self.transaction: int | str = "tx-1"
        self._seq_no = -1

    def start(self, register_wh: int, *, at: str | None = None) -> tuple[str, dict[str, Any]]:
        """The beginning; on 2.x with a reading."""
        if self.version != "ocpp1.6":
            return self._event("Started", register_wh, at, evse={"id": 1, "connectorId": 1})
        time = at or format_rfc3339(self.at)
        start = {"connectorId": 1, "idTag": "card", "meterStart": register_wh, "timestamp": time}
        return "StartTransaction", start

    def meter(self, register_wh: int, *, at: str | None = None) -> tuple[str, dict[str, Any]]:
        """A meter value on the way."""
        if self.version != "ocpp1.6":
            return self._event("Updated", register_wh, at)
        values = [self._value(register_wh, at)]
        return "MeterValues", {
            "connectorId": 1,
            "transactionId": self.transaction,
            "meterValue": values,
        }

    def stop(self, register_wh: int, *, at: str | None = None) -> tuple[str, dict[str, Any]]:
        """The end."""
        if self.version != "ocpp1.6":
            return self._event("Ended", register_wh, at)
        time = at or format_rfc3339(self.at)
        stop = {"transactionId": self.transaction, "meterStop": register_wh, "timestamp": time}
        return "StopTransaction", stop

    def later(self, minutes: float = 1) -> Charge:
        self.at += timedelta(minutes=minutes)
        return self

    def _event(
        self, kind: str, register_wh: int, at: str | None, **more: Any
    ) -> tuple[str, dict[str, Any]]:
        self._seq_no += 1
        return "TransactionEvent", {
            "eventType": kind,
            "timestamp": at or format_rfc3339(self.at),
            "triggerReason": "MeterValuePeriodic",
            "seqNo": self._seq_no,
            "transactionInfo": {"transactionId": self.transaction},
            "meterValue": [self._value(register_wh, at)],
            **more,
        }

    def _value(self, register_wh: int, at: str | None) -> dict[str, Any]:
        value = register_wh if self.version != "ocpp1.6" else str(register_wh)
        time = at or format_rfc3339(self.at)
        return {"timestamp": time, "sampledValue": [{"value": value}]}


def charge_of(house: Rig, version: str) -> Charge:
    """A charge that has begun an hour ago."""
    now = house.clock.now().replace(microsecond=0)
    return Charge(version, now - timedelta(hours=1))


async def begin(link: Any, charge: Charge, register_wh: int, at: str | None = None) -> None:
    reply = await call(link, *charge.start(register_wh, at=at), "begin")
    assert reply[:2] == [3, "begin"]
    if charge.version == "ocpp1.6":
        charge.transaction = reply[2]["transactionId"]


@EVERY_VERSION
async def test_each_bad_call_gets_the_code_of_its_version_and_stands_in_the_log(
    tmp_path: Path, database_url: str, version: str
) -> None:
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    if version != "ocpp1.6":
        at = "2026-06-15T12:00:00Z"
        status = {"evseId": 1, "connectorId": 1, "connectorStatus": "Available", "timestamp": at}
    missing = MISSING.get(version, "OccurrenceConstraintViolation")
    cases: list[tuple[str, str, str]] = [
        ("NoSuchAction", "{}", "NotImplemented"),
        ("Authorize", "{}", missing),
        (
            "StatusNotification",
            encode(status | {"connectorId": "one"}),
            "TypeConstraintViolation",
        ),
        ("StatusNotification", "[]", FORM.get(version, "FormatViolation")),
        *(
            ("DataTransfer", f'{{"vendorId":"V","data":{poison}}}', form)
            for poison in POISON.values()
            if (form := FORM.get(version, "FormatViolation"))
        ),
    ]
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        for action, payload, code in cases:
            await link.send(f'[2,"bad","{action}",{payload}]')
            assert (await answer(link))[:3] == [4, "bad", code], (action, payload[:50])
        assert (await call(link, "Heartbeat", {}, "after"))[:2] == [3, "after"]
        logged = [m for m in await house.messages("CP-1") if m.message_id == "bad"]
        assert [(m.action, m.outcome) for m in logged] == [
            (action, "error") for action, _, _ in cases
        ]
        codes = [msgspec.json.decode(m.answer)[2] for m in logged]
        assert codes == [code for _, _, code in cases]


@EVERY_VERSION
async def test_metering_with_poison_is_quarantined_raw_accepted_and_readable(
    tmp_path: Path, database_url: str, version: str
) -> None:
    bad: list[tuple[str, str]] = []
    for poison in POISON.values():
        bad.append(("MeterValues", f'{{"meterValue":{poison}}}'))
        if version == "ocpp1.6":
            bad.append(("StopTransaction", f'{{"transactionId":1,"meterStop":{poison}}}'))
        else:
            bad.append(("TransactionEvent", f'{{"eventType":"Ended","seqNo":{poison}}}'))
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        for action, payload in bad:
            await link.send(f'[2,"bad","{action}",{payload}]')
            assert await answer(link) == [3, "bad", {}], (action, payload[:50])
        assert (await call(link, "Heartbeat", {}, "after"))[:2] == [3, "after"]
        kept = await house.rows(sa.select(Quarantine).order_by(Quarantine.id))
        assert [(row.action, row.raw.decode()) for row in kept] == bad
        logged = [m for m in await house.messages("CP-1") if m.message_id == "bad"]
        assert [(m.action, m.outcome) for m in logged] == [
            (action, "quarantined") for action, _ in bad
        ]


@EVERY_VERSION
async def test_a_poisoned_message_id_or_action_costs_nothing(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        charge = charge_of(house, version)
        await begin(link, charge, 1000)
        odd_id, odd_action = 'a\x00"\u2028', "No\x00Action"
        reply = await call(link, *charge.later().stop(1500), odd_id)
        assert reply[:2] == [3, odd_id]
        assert (await call(link, odd_action, {}, "odd"))[:3] == [4, "odd", "NotImplemented"]
        (transaction,) = await house.rows(sa.select(Transaction))
        assert transaction.energy_wh == 500
        assert await house.rows(sa.select(Quarantine)) == []
        stop, refused = (await house.messages("CP-1"))[-2:]
        assert (stop.message_id, stop.outcome) == ('a\ufffd"\u2028', "result")
        assert (refused.action, refused.outcome) == ("No\ufffdAction", "error")


@EVERY_VERSION
async def test_what_was_said_again_after_a_lost_answer_is_kept_once(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        charge = charge_of(house, version)
        numbers: list[int] = []
        steps: list[Callable[[], tuple[str, dict[str, Any]]]] = [
            lambda: charge.start(1000),
            lambda: charge.later().meter(1500),
            lambda: charge.later().stop(2000),
        ]
        for number, step in enumerate(steps):
            action, payload = step()
            # It is committed, but the connection breaks before the answer is out.
            house.sink.shut = True
            await link.send(encode([2, f"lost-{number}", action, payload]))
            await eventually(lambda: [m for _, m, _ in house.sink.held if m])
            link.transport.abort()
            await eventually(lambda: not house.gateway.connections())
            house.sink.open()
            await house.activity.quiet()
            link = await house.dial("CP-1", house.password, (version,))
            for again in range(2):
                # Stations say it again with a new message id, or with the old one.
                message_id = f"lost-{number}" if again else f"again-{number}"
                reply = await call(link, action, payload, message_id)
                assert reply[:2] == [3, message_id]
                if "transactionId" in reply[2]:
                    numbers.append(reply[2]["transactionId"])
                    charge.transaction = numbers[-1]
        (transaction,) = await house.rows(sa.select(Transaction))
        assert len(set(numbers)) == (1 if version == "ocpp1.6" else 0)
        assert (transaction.energy_wh, transaction.suspect) == (1000, [])
        assert transaction.stopped_at == charge.at
        registers = [row.energy_wh for row in await house.rows(sa.select(Reading))]
        expected = [1500.0] if version == "ocpp1.6" else [1000.0, 1500.0, 2000.0]
        assert sorted(registers) == expected
        oddities = await house.rows(sa.select(Reconciliation.kind))
        assert oddities == ["vehicle-unknown"]


@pytest.mark.parametrize("number", [-1, 0, 4711])
async def test_data_of_a_1_6_transaction_that_we_never_gave_are_kept_and_listed(
    tmp_path: Path, database_url: str, number: int
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house)
        charge = charge_of(house, "ocpp1.6")
        charge.transaction = number
        for _ in range(2):
            assert (await call(link, *charge.meter(1500)))[0] == 3
            assert (await call(link, *charge.stop(2000)))[0] == 3
        assert await house.rows(sa.select(Transaction)) == []
        readings = await house.rows(sa.select(Reading).order_by(Reading.energy_wh))
        assert [(r.energy_wh, r.ocpp_transaction_id) for r in readings] == [
            (1500.0, str(number)),
            (2000.0, str(number)),
        ]
        listed = await house.rows(sa.select(Reconciliation))
        assert {row.kind for row in listed} == {"transaction-unknown"}
        # The same thing said twice is one row.
        assert len(listed) == 2
        assert any('"meterStop":2000' in row.raw for row in listed)


@pytest.mark.parametrize("version", VERSIONS[1:])
@pytest.mark.parametrize("kind", ["meter", "stop"])
async def test_a_2_x_transaction_that_was_never_begun_begins_with_what_is_heard_of_it(
    tmp_path: Path, database_url: str, version: str, kind: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        charge = charge_of(house, version)
        assert (await call(link, *getattr(charge, kind)(1500)))[0] == 3
        (transaction,) = await house.rows(sa.select(Transaction))
        assert transaction.suspect == ["start-missing"]
        assert (transaction.stopped_at is not None) == (kind == "stop")


@EVERY_VERSION
async def test_transactions_at_odd_times_are_kept_marked_and_ordered_by_our_clock(
    tmp_path: Path, database_url: str, version: str
) -> None:
    odd = {
        "1970-01-01T00:00:10Z": "time-implausible",
        "2106-02-07T06:28:15Z": "time-implausible",
        "yesterday": "time-unreadable",
    }
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        for at, doubt in odd.items():
            before = house.clock.now() - timedelta(seconds=1)
            charge = charge_of(house, version)
            charge.transaction = at
            await begin(link, charge, 1000, at)
            for action, payload in (charge.meter(1500, at=at), charge.stop(2000, at=at)):
                assert (await call(link, action, payload))[0] == 3
            found = await house.rows(sa.select(Transaction).order_by(Transaction.received_at))
            transaction = found[-1]
            assert doubt in transaction.suspect
            assert transaction.energy_wh == 1000
            assert before <= transaction.started_at <= transaction.stopped_at
        assert len(await house.rows(sa.select(Transaction))) == len(odd)
        assert await house.rows(sa.select(Quarantine)) == []
        assert all(row.suspect for row in await house.rows(sa.select(Reading)))


@EVERY_VERSION
async def test_local_times_without_a_zone_are_taken_as_utc_and_as_ours_where_they_lie_ahead(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        charge = charge_of(house, version)

        def local(instant: datetime, hours: int) -> str:
            return (instant + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S")

        await begin(link, charge, 1000, local(charge.at, hours=-2))
        await call(link, *charge.meter(1500, at=local(charge.later().at, hours=-2)))
        before = house.clock.now() - timedelta(seconds=1)
        await call(link, *charge.stop(2000, at=local(charge.later().at, hours=2)))
        (transaction,) = await house.rows(sa.select(Transaction))
        assert transaction.energy_wh == 1000
        assert {"time-without-zone", "time-ahead"} <= set(transaction.suspect)
        assert transaction.started_at == charge.at - timedelta(hours=2, minutes=2)
        assert before <= transaction.stopped_at <= house.clock.now()


@EVERY_VERSION
async def test_times_in_a_local_zone_mean_the_same_instant(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        charge = charge_of(house, version)
        began_at = charge.at

        def local(instant: datetime) -> str:
            return (instant + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00")

        await begin(link, charge, 1000, local(charge.at))
        await call(link, *charge.meter(1500, at=local(charge.later().at)))
        await call(link, *charge.stop(2000, at=local(charge.later().at)))
        (transaction,) = await house.rows(sa.select(Transaction))
        assert (transaction.started_at, transaction.stopped_at) == (began_at, charge.at)
        assert (transaction.energy_wh, transaction.suspect) == (1000, [])


async def test_a_1_6_box_that_starts_twice_in_1970_has_two_transactions(
    tmp_path: Path, database_url: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house)
        start = charge_of(house, "ocpp1.6").start(1000, at="1970-01-01T00:00:10Z")
        first = (await call(link, *start, "a"))[2]["transactionId"]
        assert (await call(link, *start, "a"))[2]["transactionId"] == first
        assert (await call(link, *start, "b"))[2]["transactionId"] != first
        assert len(await house.rows(sa.select(Transaction))) == 2


@EVERY_VERSION
async def test_meter_values_that_run_backwards_are_kept_marked_and_cost_no_energy(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        charge = charge_of(house, version)
        await begin(link, charge, 1000)
        for register_wh in (1500, 1200, 1700):
            assert (await call(link, *charge.later().meter(register_wh)))[0] == 3
        # Another kind of backwards: a queued reading that comes after a later one.
        late = format_rfc3339(charge.at - timedelta(seconds=30))
        assert (await call(link, *charge.meter(1600, at=late)))[0] == 3
        assert (await call(link, *charge.later().stop(900)))[0] == 3
        (transaction,) = await house.rows(sa.select(Transaction))
        assert transaction.energy_wh == 700
        assert set(transaction.suspect) == {"meter-backwards", "time-backwards"}
        readings = await house.rows(sa.select(Reading).order_by(Reading.measured_at))
        marks = {row.energy_wh: row.suspect for row in readings}
        assert marks[1500.0] is marks[1700.0] is None
        assert marks[1200.0] == ["meter-backwards"]
        assert marks[1600.0] == ["time-backwards"]


@EVERY_VERSION
async def test_a_frame_over_the_limit_ends_the_connection_and_costs_nothing_else(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        charge = charge_of(house, version)
        await begin(link, charge, 1000)
        with suppress(ConnectionClosed):  # the answer may come before all is sent
            await link.send('[2,"big","MeterValues",{"a":"' + "y" * 4_200_000 + '"}]')
        assert (await closed(link))[0] == 1009
        await eventually(lambda: not house.gateway.connections())
        link = await house.dial("CP-1", house.password, (version,))
        assert (await call(link, *charge.later().stop(1500)))[0] == 3
        (transaction,) = await house.rows(sa.select(Transaction))
        assert transaction.energy_wh == 500


@pytest.mark.parametrize("version", VERSIONS)
async def test_statuses_of_1970_and_of_the_past_do_not_hide_the_present(
    tmp_path: Path, database_url: str, version: str
) -> None:
    def status(word_16: str, word_2x: str, at: datetime | str) -> dict[str, Any]:
        time = at if isinstance(at, str) else format_rfc3339(at)
        if version == "ocpp1.6":
            known = {"connectorId": 1, "errorCode": "NoError"}
            return {**known, "status": word_16, "timestamp": time}
        known = {"evseId": 1, "connectorId": 1}
        return {**known, "connectorStatus": word_2x, "timestamp": time}

    async with rig(tmp_path, url=database_url) as house:
        link = await connected(house, version)
        now = house.clock.now()
        for payload in (
            status("Faulted", "Faulted", now),
            status("Available", "Available", now - timedelta(hours=1)),
        ):
            assert (await call(link, "StatusNotification", payload))[0] == 3
        (connector,) = await house.rows(sa.select(Connector))
        assert connector.status == "Faulted"
        reset = status("Reserved", "Reserved", "1970-01-01T00:00:00Z")
        assert (await call(link, "StatusNotification", reset))[0] == 3
        (connector,) = await house.rows(sa.select(Connector))
        assert connector.status == "Reserved"
