from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from models.answers import EMPTY, BootAnswer, DataAnswer, TokenAnswer, TransactionAnswer
from models.commands import Reset
from models.facts import (
    CommandSent,
    CommandSettled,
    ConnectionChanged,
    DataReceived,
    NoteReported,
    Quarantined,
    SecurityReported,
    StationsSeen,
    VariablesReported,
    VariableState,
)
from models.tables.charging import Reading, Transaction
from models.tables.ledger import Command, Event, Message, Quarantine
from models.tables.stations import Connector, Evse, SecurityEvent, Station, StationVariable
from tests.builders.small_house import NOON, SmallHouse, small_house


async def set_approval(house: SmallHouse, approval: str) -> None:
    async with house.db.write(house.clock, house.ids) as work:
        station = await work.session.get(Station, "A-1")
        assert station is not None
        station.approval = approval


async def test_a_boot_is_answered_by_approval_and_remembered(database_url: str) -> None:
    async with small_house(database_url) as house:
        assert await house.submit(house.boot()) == BootAnswer("Accepted", 300, NOON)
        station = await house.one(Station, identity="A-1")
        assert (station.vendor, station.model, station.booted_at) == ("Acme", "Wall", NOON)
        assert await house.told() == ["station.booted"]
        await set_approval(house, "rejected")
        assert await house.submit(house.boot()) == BootAnswer("Rejected", 300, NOON)


async def test_a_stranger_that_boots_waits_for_approval(database_url: str) -> None:
    async with small_house(database_url) as house:
        assert await house.submit(house.boot("X")) == BootAnswer("Pending", 10, NOON)
        station = await house.one(Station, identity="X")
        assert (station.approval, station.site_id) == ("pending", None)
        assert station.booted_at is None


async def test_nothing_else_of_a_pending_station_is_kept(database_url: str) -> None:
    async with small_house(database_url) as house:
        await set_approval(house, "pending")
        assert await house.submit(house.status("Available")) == EMPTY
        assert await house.submit(house.ask("CAR-1")) == TokenAnswer("Invalid")
        answer = await house.submit(house.start_16("CAR-1"))
        assert isinstance(answer, TransactionAnswer)
        assert (answer.transaction_id, answer.token_status) == (1, "Invalid")
        await house.submit(house.meter_16(1, house.read(1.0)))
        await house.submit(house.event_2x("started", 0))
        for table in (Transaction, Reading, Connector, Message, Event):
            assert await house.rows(table) == []
        await set_approval(house, "accepted")
        answer = await house.submit(house.start_16("CAR-1"))
        assert answer == TransactionAnswer(2, token_status="Accepted")


async def test_evses_and_connectors_come_into_being_by_being_reported(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.status("Available", evse=2))
        await house.submit(house.status("Unavailable", evse=0))
        assert [row.evse_id for row in await house.rows(Evse)] == [0, 2]
        connectors = await house.rows(Connector)
        assert [(row.evse_id, row.status) for row in connectors] == [
            (0, "Unavailable"),
            (2, "Available"),
        ]
        await house.told()
        shown = msgspec.json.decode(house.heard[-1].resource)
        assert [evse["evse_id"] for evse in shown["evses"]] == [0, 2]


async def test_the_newest_status_by_time_wins_and_only_news_are_told(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.status("Charging"))
        await house.submit(house.status("Available", at=NOON - timedelta(minutes=5)))
        assert (await house.one(Connector)).status == "Charging"
        await house.submit(house.status("Charging"))
        assert await house.told() == ["station.status_changed"]


async def test_a_status_without_a_clock_is_dated_by_ours(sqlite_url: str) -> None:
    async with small_house(sqlite_url) as house:
        await house.submit(house.status("Charging"))
        house.clock.later(minutes=1)
        await house.submit(house.status("Finishing", at=datetime(1970, 1, 1, tzinfo=UTC)))
        connector = await house.one(Connector)
        assert (connector.status, connector.status_at) == ("Finishing", house.clock.now())


async def test_a_connection_is_told_and_news_of_an_old_socket_is_not(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(connection(online=True, epoch=2))
        await house.submit(connection(online=False, epoch=1))
        station = await house.one(Station, identity="A-1")
        assert (station.online, station.epoch, station.ocpp_version) == (True, 2, "ocpp1.6")
        await house.submit(connection(online=False, epoch=2))
        assert not (await house.one(Station, identity="A-1")).online
        assert await house.told() == ["station.connected", "station.status_changed"]


async def test_what_was_on_the_wire_of_an_older_connection_is_unknown(database_url: str) -> None:
    async with small_house(database_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            sent = work.order(Reset(), station="A-1", origin="api")
            queued = work.order(Reset(), station="A-1", origin="api")
        await house.submit(CommandSent(station="A-1", received_at=NOON, command_id=sent, epoch=1))
        await house.submit(connection(online=True, epoch=2))
        states = {row.id: row.state for row in await house.rows(Command)}
        assert states == {sent: "unknown", queued: "queued"}


async def test_a_command_goes_its_way_once(database_url: str) -> None:
    async with small_house(database_url) as house:
        async with house.db.write(house.clock, house.ids) as work:
            command_id = work.order(Reset(), station="A-1", origin="api")
        await house.submit(
            CommandSent(station="A-1", received_at=NOON, command_id=command_id, epoch=1)
        )
        row = await house.one(Command)
        assert (row.state, row.epoch, row.sent_at) == ("sent", 1, NOON)
        settled = CommandSettled(
            station="A-1",
            received_at=NOON,
            command_id=command_id,
            state="answered",
            outcome="accepted",
            response='{"status":"Accepted"}',
        )
        await house.submit(settled)
        await house.submit(msgspec.structs.replace(settled, state="unknown", response=None))
        row = await house.one(Command)
        assert (row.state, row.outcome, row.response) == (
            "answered",
            "accepted",
            '{"status":"Accepted"}',
        )
        assert await house.told() == ["command.answered"]


async def test_when_stations_were_seen_moves_forward_only(database_url: str) -> None:
    async with small_house(database_url) as house:
        await house.submit(seen(NOON), payload=b"")
        await house.submit(seen(NOON - timedelta(minutes=1)), payload=b"")
        station = await house.one(Station, identity="A-1")
        assert station.last_seen == NOON


@pytest.mark.parametrize("which", ["boot", "status", "connection"])
async def test_a_note_of_who_was_seen_hides_no_station_from_the_facts_of_its_batch(
    database_url: str, which: str
) -> None:
    async with small_house(database_url) as house:
        # A first fact, so that the station is known from an earlier batch, too.
        await house.submit(house.boot())
        facts = {
            "boot": house.boot(),
            "status": house.status("Charging"),
            "connection": connection(online=True, epoch=3),
        }
        await asyncio.gather(
            house.intake.submit(seen(house.clock.later(seconds=5))), house.submit(facts[which])
        )
        assert await house.rows(Quarantine) == []
        station = await house.one(Station, identity="A-1")
        assert station.last_seen == house.clock.now()
        told = {
            "boot": "station.booted",
            "status": "station.status_changed",
            "connection": "station.connected",
        }
        assert await house.told() == ["station.booted", told[which]]


@pytest.mark.parametrize("batches", ["one", "several"])
async def test_the_later_connection_holds_a_station_whoever_has_heard_it_since(
    database_url: str, batches: str
) -> None:
    """The first service died without a word; the second has heard before its news are kept."""
    async with small_house(database_url) as house:
        await house.submit(house.boot())
        began_at = house.clock.later(seconds=10)
        former = msgspec.structs.replace(connection(online=True, epoch=7), held_by=1)
        await house.submit(former)
        heard = seen(house.clock.later(seconds=20))
        news = msgspec.structs.replace(former, received_at=began_at, epoch=1, held_by=2)
        if batches == "one":
            await asyncio.gather(house.intake.submit(heard), house.submit(news))
        else:
            await house.submit(heard)
            await house.submit(news)
        station = await house.one(Station, identity="A-1")
        assert (station.held_by, station.held_since) == (2, began_at)
        assert station.last_seen == house.clock.now()
        # And what the batches remember is what stands there.
        await house.submit(msgspec.structs.replace(former, received_at=NOON, epoch=8))
        await house.submit(house.boot())
        station = await house.one(Station, identity="A-1")
        assert (station.held_by, station.last_seen) == (2, house.clock.now())


async def test_settings_are_kept_without_their_secrets(database_url: str) -> None:
    async with small_house(database_url) as house:
        for value in ("1", "2"):
            await house.submit(
                VariablesReported(
                    station="A-1",
                    received_at=NOON,
                    variables=(
                        VariableState(name="HeartbeatInterval", value=value),
                        VariableState(name="AuthorizationKey", value="secret"),
                        VariableState(
                            name="Limit",
                            instance="i",
                            component="EVSE",
                            component_instance="x",
                            evse_id=1,
                            attribute="Target",
                            value=value,
                            read_only=True,
                        ),
                    ),
                ),
                payload=b"{}",
            )
        rows = [
            (row.component, row.variable, row.attribute, row.value, row.mutability)
            for row in await house.rows(StationVariable)
        ]
        assert rows == [
            ("", "AuthorizationKey", "Actual", None, "ReadWrite"),
            ("", "HeartbeatInterval", "Actual", "2", "ReadWrite"),
            ("EVSE[x]@1", "Limit[i]", "Target", "2", "ReadOnly"),
        ]


async def test_a_security_event_is_kept_once_even_of_a_stranger(database_url: str) -> None:
    async with small_house(database_url) as house:
        event = SecurityReported(
            station="X", received_at=NOON, kind="InvalidCredentials", measured_at=NOON
        )
        await house.submit(event)
        await house.submit(event)
        assert (await house.one(SecurityEvent)).type == "InvalidCredentials"


async def test_what_is_only_noted_is_in_the_message_log(database_url: str) -> None:
    async with small_house(database_url) as house:
        note = NoteReported(
            station="A-1", received_at=NOON, action="FirmwareStatusNotification", payload=b"{}"
        )
        assert await house.submit(note, payload=b'{"a": "\x00\xff"}') == EMPTY
        data = DataReceived(station="A-1", received_at=NOON, vendor_id="v")
        assert await house.submit(data) == DataAnswer("UnknownVendorId")
        first, second = await house.rows(Message)
        assert first.payload == '{"a": "\ufffd\ufffd"}'
        assert second.answer == '{"status":"UnknownVendorId","data":null}'


async def test_what_can_t_be_understood_is_kept_raw(database_url: str) -> None:
    async with small_house(database_url) as house:
        raw = b'{"transactionId": "\x00\xed\xa0\x80'
        fact = Quarantined(
            station="A-1",
            received_at=NOON,
            action="StopTransaction",
            raw=raw,
            reason="no JSON \x00 \ud800",
        )
        assert await house.submit(fact, payload=raw) == EMPTY
        row = await house.one(Quarantine)
        assert (row.raw, row.action) == (raw, "StopTransaction")
        assert (await house.one(Message)).outcome == "quarantined"


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"\x00"])
async def test_any_payload_can_be_logged_and_read_back(database_url: str, payload: bytes) -> None:
    async with small_house(database_url) as house:
        await house.submit(house.boot(), payload=payload)
        message = await house.one(Message)
        assert isinstance(message.payload, str)
        assert message.payload.encode()[:1] != b"\x00"


def connection(*, online: bool, epoch: int) -> Any:
    return ConnectionChanged(
        station="A-1", received_at=NOON, online=online, epoch=epoch, subprotocol="ocpp1.6"
    )


def seen(at: datetime) -> StationsSeen:
    return StationsSeen(station="node-1", received_at=NOON, seen=(("A-1", at), ("gone", at)))
