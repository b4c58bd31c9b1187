"""What stations say, well or badly, and what they are answered: through real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from websockets.exceptions import InvalidStatus

from csms.gateway.limits import Limits
from models.errors import Unavailable
from models.tables.charging import Reading, Transaction
from models.tables.ledger import Quarantine
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import QUICK, answer, boot, call, closed, connected, encode, rig

VERSIONS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
STATUS_16 = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
START_16 = {
    "connectorId": 1,
    "idTag": "card",
    "meterStart": 100,
    "timestamp": "2024-05-01T10:00:00Z",
}


def meter_16(transaction: int | None, at: str, register: str) -> dict[str, Any]:
    values = [{"timestamp": at, "sampledValue": [{"value": register}]}]
    payload: dict[str, Any] = {"connectorId": 1, "meterValue": values}
    return payload if transaction is None else payload | {"transactionId": transaction}


def event_2x(kind: str, seq_no: int, at: str, **more: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": at,
        "triggerReason": "CablePluggedIn",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "tx-1"},
    } | more


@pytest.mark.parametrize("subprotocol", VERSIONS)
@pytest.mark.parametrize(
    ("frame", "code", "message_id"),
    [
        ('[2,"m1","NoSuchAction",{}]', {"NotImplemented"}, "m1"),
        ('[2,"m1","StatusNotification",{"connectorId":"one"}]', {"any"}, "m1"),
        ('[2,"m1","Authorize",{}]', {"any"}, "m1"),
        ('[2,"m1","Authorize"]', {"FormationViolation", "RpcFrameworkError"}, "m1"),
        ('[2,"m1","Authorize",{"idTag":NaN}]', {"any"}, "m1"),
        ('[2,"m1","DataTransfer",{"vendorId":"\\ud800"}]', {"any"}, "m1"),
        ('[2,"m1","DataTransfer",{"vendorId":"a\\u0000b"}]', {"any"}, "m1"),
        (
            '[2,"m1","DataTransfer",{"vendorId":"x","data":' + "[" * 40 + "]" * 40 + "}]",
            {"any"},
            "m1",
        ),
    ],
)
async def test_a_bad_call_gets_its_callerror_and_the_station_goes_on(
    tmp_path: Path, subprotocol: str, frame: str, code: set[str], message_id: str
) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house, subprotocol)
        await link.send(frame)
        reply = await answer(link)
        assert reply[:2] == [4, message_id]
        assert "any" in code or reply[2] in code
        assert (await call(link, "Heartbeat", {}, "after"))[:2] == [3, "after"]


@pytest.mark.parametrize(
    "frame", ["", "{}", "[]", "nonsense", "[2]", '["2"', "[99,1]", "null", '[2,7,"Heartbeat",{}]']
)
@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_a_frame_without_a_readable_id_is_ignored_by_1_6_and_gets_minus_1_on_2_x(
    tmp_path: Path, subprotocol: str, frame: str
) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house, subprotocol)
        await link.send(frame)
        await link.send('[2,"after","Heartbeat",{}]')
        reply = await answer(link)
        if subprotocol != "ocpp1.6":
            assert reply[:2] == [4, "-1"]
            reply = await answer(link)
        assert reply[:2] == [3, "after"]


async def test_malformed_frames_are_counted_and_kept_readable(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        await link.send("no frame at all \x00 é")
        await call(link, "Heartbeat", {})
        (kept,) = [m for m in await house.messages("CP-1") if m.outcome == "malformed"]
        assert kept.payload == "no frame at all \ufffd é"
        assert (kept.direction, kept.action, kept.answer) == ("in", "", None)


async def test_text_that_is_no_utf_8_does_not_end_the_connection(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        link.protocol.send_text(b'[2,"m1","DataTransfer",{"vendorId":"S\xe4ule"}]')
        link.send_data()
        assert (await answer(link))[:2] == [4, "m1"]
        assert (await call(link, "Heartbeat", {}))[0] == 3


async def test_refusals_stand_in_the_message_log_with_their_answer(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        await call(link, "NoSuchAction", {"a": 1})
        message = (await house.messages("CP-1"))[-1]
        assert (message.action, message.outcome) == ("NoSuchAction", "error")
        assert message.payload == '{"a":1}'
        assert message.answer is not None
        assert msgspec.json.decode(message.answer)[2] == "NotImplemented"


@pytest.mark.parametrize("strict", [False, True])
async def test_meter_values_that_cant_be_understood_are_quarantined_and_accepted(
    tmp_path: Path, strict: bool
) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house, strict=strict)
        await link.send('[2,"m1","MeterValues",{"connectorId":1,"meterValue":NaN}]')
        reply = await answer(link)
        kept = await house.rows(sa.select(Quarantine))
        if strict:
            assert reply[0] == 4
            assert kept == []
        else:
            assert reply == [3, "m1", {}]
            assert [(q.station, q.action) for q in kept] == [("CP-1", "MeterValues")]
            assert b"NaN" in kept[0].raw
            assert (await house.messages("CP-1"))[-1].outcome == "quarantined"


async def test_a_1_6_charging_day_is_answered_and_kept(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        assert (await call(link, "StatusNotification", STATUS_16))[2] == {}
        assert (await call(link, "Authorize", {"idTag": "card"}))[2]["idTagInfo"]["status"] == (
            "Invalid"
        )
        started = (await call(link, "StartTransaction", START_16))[2]
        number = started["transactionId"]
        assert number > 0
        meter = meter_16(number, "2024-05-01T10:01:00Z", "150")
        assert (await call(link, "MeterValues", meter))[2] == {}
        stop = {"transactionId": number, "meterStop": 200, "timestamp": "2024-05-01T10:02:00Z"}
        assert (await call(link, "StopTransaction", stop))[0] == 3
        (transaction,) = await house.rows(sa.select(Transaction))
        assert transaction.ocpp_transaction_id == str(number)
        assert transaction.stopped_at is not None
        assert transaction.energy_wh == 100


async def test_messages_repeated_after_a_lost_answer_change_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        first = (await call(link, "StartTransaction", START_16, "a"))[2]["transactionId"]
        again = (await call(link, "StartTransaction", START_16, "b"))[2]["transactionId"]
        assert first == again
        meter = meter_16(first, "2024-05-01T10:01:00Z", "150")
        stop = {"transactionId": first, "meterStop": 200, "timestamp": "2024-05-01T10:02:00Z"}
        for n in range(2):
            await call(link, "MeterValues", meter, f"m{n}")
        for n in range(2):
            assert (await call(link, "StopTransaction", stop, f"s{n}"))[0] == 3
        assert len(await house.rows(sa.select(Transaction))) == 1
        registers = [r.energy_wh for r in await house.rows(sa.select(Reading))]
        assert registers.count(150) == 1


@pytest.mark.parametrize("subprotocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_a_2_x_transaction_with_repeats_is_one_transaction(
    tmp_path: Path, subprotocol: str
) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house, subprotocol)
        evse = {"evse": {"id": 1, "connectorId": 1}, "idToken": {"idToken": "c", "type": "Local"}}
        begin = event_2x("Started", 0, "2024-05-01T10:00:00Z", **evse)
        reply = await call(link, "TransactionEvent", begin, "a")
        assert reply[2]["idTokenInfo"]["status"] == "Unknown"
        assert (await call(link, "TransactionEvent", begin, "b"))[2] == reply[2]
        end = event_2x("Ended", 1, "2024-05-01T11:00:00Z")
        for n in range(2):
            assert (await call(link, "TransactionEvent", end, f"e{n}"))[0] == 3
        (transaction,) = await house.rows(sa.select(Transaction))
        assert transaction.stopped_at is not None


@pytest.mark.parametrize("number", [-1, 0, 4711])
async def test_a_transaction_id_that_we_never_gave_is_answered_as_valid(
    tmp_path: Path, number: int
) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        stop = {"transactionId": number, "meterStop": 200, "timestamp": "2024-05-01T10:02:00Z"}
        assert (await call(link, "StopTransaction", stop))[0] == 3
        meter = meter_16(number, "2024-05-01T10:01:00Z", "1")
        assert (await call(link, "MeterValues", meter))[0] == 3


@pytest.mark.parametrize(
    "at", ["1970-01-01T00:00:10Z", "2024-05-01T10:00:00", "222222017-10-27T19:10:11Z", "yesterday"]
)
async def test_odd_times_are_taken_and_do_no_harm(tmp_path: Path, at: str) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        assert (await call(link, "StartTransaction", START_16 | {"timestamp": at}))[0] == 3
        (transaction,) = await house.rows(sa.select(Transaction))
        assert transaction.suspect


async def test_2_x_says_nothing_before_its_first_boot_is_accepted(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password, ("ocpp2.0.1",))
        assert (await call(link, "Heartbeat", {}))[2] == "SecurityError"
        await boot(link)
        assert (await answer(link))[0] == 2
        assert (await call(link, "Heartbeat", {}))[0] == 3
        await link.close()
        await eventually(lambda: not house.gateway.connections())
        # A lost network is no reboot: the station goes on where it was.
        link = await house.dial("CP-1", password, ("ocpp2.0.1",))
        assert (await call(link, "Heartbeat", {}))[0] == 3


async def test_frames_may_be_large_only_after_the_boot(tmp_path: Path) -> None:
    text = '[2,"big","DataTransfer",{"vendorId":"x","data":"' + "y" * 400_000 + '"}]'
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password)
        await link.send(text)
        assert (await closed(link))[0] == 1009
        link = await house.dial("CP-1", password)
        await boot(link)
        await answer(link)
        await link.send(text)
        assert (await answer(link))[1] == "big"
        await link.send('["' + "y" * 4_200_000 + '"]')
        assert (await closed(link))[0] == 1009


async def test_answers_come_in_the_order_of_the_calls_of_a_station_that_does_not_wait(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        for n in range(100):
            action, payload = ("Heartbeat", {}) if n % 3 else ("StatusNotification", STATUS_16)
            await link.send(encode([2, f"m{n}", action, payload]))
        ids = [(await answer(link))[1] for _ in range(100)]
        assert ids == [f"m{n}" for n in range(100)]
        kept = [m.message_id for m in await house.messages("CP-1") if m.message_id.startswith("m")]
        assert kept == [f"m{n}" for n in range(0, 100, 3)]


async def test_only_one_message_of_a_station_is_in_the_ledger_and_few_wait(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        house.sink.shut = True
        for n in range(60):
            # One frame to a packet, so that each is read by itself.
            await link.send(encode([2, f"m{n}", "StatusNotification", STATUS_16]))
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        lane = next(iter(house.gateway._registry.lanes()))
        assert len([message for _, message, _ in house.sink.held if message]) == 1
        assert len(lane._queue) == QUICK.queued_messages
        house.sink.open()
        assert [(await answer(link))[1] for _ in range(60)] == [f"m{n}" for n in range(60)]


async def test_stations_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        slow = await connected(house)
        password = await house.add_station("CP-2")
        quick = await house.dial("CP-2", password)
        house.sink.shut = True
        await slow.send(encode([2, "m1", "StatusNotification", STATUS_16]))
        await eventually(lambda: house.sink.held)
        house.sink.shut = False
        assert (await boot(quick))[0] == 3
        house.sink.open()
        assert (await answer(slow))[:2] == [3, "m1"]


async def test_nothing_is_answered_before_it_is_committed(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        house.sink.shut = True
        await link.send(encode([2, "m1", "StatusNotification", STATUS_16]))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.recv(), 0.2)
        house.sink.open()
        assert (await answer(link))[:2] == [3, "m1"]


async def test_while_the_database_is_away_the_socket_closes_with_1013_and_no_answer(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        house.sink.failure = Unavailable("the database is away")
        await link.send(encode([2, "m1", "StatusNotification", STATUS_16]))
        assert (await closed(link))[0] == 1013
        assert house.gateway.connections() == []
        assert house.activity.count == 0
        with pytest.raises(InvalidStatus, match="503"):
            await house.dial("CP-1", house.password)
        house.sink.failure = None
        await asyncio.sleep(0.7)
        again = await house.dial("CP-1", house.password)
        assert (await call(again, "Heartbeat", {}))[0] == 3


async def test_a_station_that_leaves_with_messages_under_way_leaves_nothing_open(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        link = await connected(house)
        house.sink.shut = True
        for n in range(5):
            await link.send(encode([2, f"m{n}", "StatusNotification", STATUS_16]))
        await eventually(lambda: house.sink.held)
        link.transport.abort()
        await asyncio.sleep(0.1)
        house.sink.open()
        await house.activity.quiet()
        assert house.activity.count == 0
        assert [m.message_id for m in await house.messages("CP-1")][-1] == "m0"


async def test_a_drain_answers_what_was_said_and_closes_with_1012(tmp_path: Path) -> None:
    async with rig(tmp_path, limits=Limits(close_s=0.3, sweep_s=0.02)) as house:
        link = await connected(house)
        house.sink.shut = True
        await link.send(encode([2, "m1", "StatusNotification", STATUS_16]))
        await eventually(lambda: house.sink.held)
        draining = asyncio.create_task(house.gateway.drain(5))
        await asyncio.sleep(0.05)
        with pytest.raises(OSError, match="failed"):
            await house.dial("CP-1", "x")
        house.sink.open()
        assert (await answer(link))[:2] == [3, "m1"]
        assert (await closed(link))[0] == 1012
        await draining
        assert not (await house.station("CP-1")).online
