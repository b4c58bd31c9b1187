"""Commands on their way to stations: in order, one at a time, never twice, always kept."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from csms.gateway.presence import all_dead
from models.clocks import Activity, SteppedClock
from models.commands import (
    ChangeAvailability,
    LimitPeriod,
    RawCommand,
    Reset,
    SetLimit,
    TriggerMessage,
    Unlock,
)
from models.errors import NotFound, Unavailable
from models.facts import CommandSent
from models.tables.ledger import Command, Message
from models.tables.stations import StationVariable
from models.timeline import parse_rfc3339
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import QUICK, answer, boot, call, closed, encode, rig

STATUS_16 = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
LIMIT = SetLimit(evse_id=0, purpose="default", profile_id=1, periods=(LimitPeriod(0, 3000.0),))


async def ready(house: Any, subprotocol: str = "ocpp1.6", **columns: Any) -> Any:
    """Returns the link of a booted station, whose own settings have been told before."""
    password = await house.add_station("CP-1", **columns)
    async with house.db.write(house.clock, house.ids) as work:
        work.session.add(
            StationVariable(
                station="CP-1", component="", variable="x", reported_at=house.clock.now()
            )
        )
    link = await house.dial("CP-1", password, (subprotocol,))
    assert (await boot(link))[2]["status"] == "Accepted"
    await house.activity.quiet()
    return link


async def reply(link: Any, payload: Any) -> list[Any]:
    """Takes the next call of the central system and answers it."""
    frame = await answer(link)
    assert frame[0] == 2
    await link.send(encode([3, frame[1], payload]))
    return frame


@pytest.mark.parametrize(
    ("subprotocol", "command", "action", "payload", "yes"),
    [
        ("ocpp1.6", Reset(), "Reset", {"type": "Soft"}, "Accepted"),
        ("ocpp2.0.1", Reset(), "Reset", {"type": "OnIdle"}, "Accepted"),
        (
            "ocpp2.1",
            Unlock(evse_id=2),
            "UnlockConnector",
            {"evseId": 2, "connectorId": 1},
            "Unlocked",
        ),
        (
            "ocpp1.6",
            ChangeAvailability(operative=False),
            "ChangeAvailability",
            {"connectorId": 0, "type": "Inoperative"},
            "Accepted",
        ),
        ("ocpp2.0.1", RawCommand(action="ClearCache", payload={}), "ClearCache", {}, "Accepted"),
    ],
)
async def test_a_command_reaches_the_station_in_its_own_words_and_is_answered(  # noqa: PLR0917
    tmp_path: Path, subprotocol: str, command: Any, action: str, payload: Any, yes: str
) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house, subprotocol)
        command_id = await house.order("CP-1", command)
        frame = await reply(link, {"status": yes})
        assert frame[2:] == [action, payload]
        settled = await house.gateway.courier.settled(command_id, 60)
        assert (settled.state, settled.response) == ("answered", f'{{"status":"{yes}"}}')
        (row,) = await house.rows(sa.select(Command).where(Command.id == command_id))
        assert (row.state, row.outcome, row.epoch) == ("answered", "accepted", 1)
        assert row.sent_at is not None
        message = (await house.messages("CP-1"))[-1]
        assert (message.direction, message.action, message.outcome) == ("out", action, "result")
        assert message.message_id == frame[1]
        assert message.answer == f'{{"status":"{yes}"}}'


@pytest.mark.parametrize(
    ("useless", "state", "outcome"),
    [('{"status":7}', "answered", "unknown"), ("{]", "unknown", None)],
)
async def test_a_station_of_21_is_told_that_its_answer_is_of_no_use(
    tmp_path: Path, useless: str, state: str, outcome: str | None
) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house, "ocpp2.1")
        command_id = await house.order("CP-1", Reset())
        frame = await answer(link)
        await link.send(f'[3,"{frame[1]}",{useless}]')
        disputed = await answer(link)
        assert disputed[:3] == [5, frame[1], "FormatViolation"]
        assert disputed[3] != ""
        assert (await house.gateway.courier.settled(command_id, 60)).state == state
        (row,) = await house.rows(sa.select(Command).where(Command.id == command_id))
        assert row.outcome == outcome


async def test_a_station_before_21_is_told_nothing_of_its_answer(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house, "ocpp2.0.1")
        command_id = await house.order("CP-1", Reset())
        await reply(link, {"status": 7})
        assert (await house.gateway.courier.settled(command_id, 60)).state == "answered"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.recv(), 0.05)


async def test_calls_to_one_station_go_one_at_a_time_and_in_order(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house)
        messages = ("Heartbeat", "StatusNotification", "MeterValues")
        for message in messages:
            await house.order("CP-1", TriggerMessage(message=message))
        seen = []
        for _ in messages:
            frame = await answer(link)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.recv(), 0.05)
            seen.append(frame[3]["requestedMessage"])
            await link.send(encode([3, frame[1], {"status": "Accepted"}]))
        assert seen == list(messages)


async def test_a_station_may_call_us_while_our_call_is_out(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house)
        command_id = await house.order("CP-1", Reset())
        frame = await answer(link)
        assert (await call(link, "StatusNotification", STATUS_16))[:2] == [3, "m1"]
        await link.send(encode([3, frame[1], {"status": "Rejected"}]))
        assert (await house.gateway.courier.settled(command_id, 60)).state == "answered"
        (row,) = await house.rows(sa.select(Command).where(Command.id == command_id))
        assert row.outcome == "rejected"


async def test_a_callerror_of_the_station_is_a_failed_command_with_its_code(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house)
        command_id = await house.order("CP-1", Unlock(evse_id=1))
        frame = await answer(link)
        await link.send(encode([4, frame[1], "NotSupported", "no lock", {}]))
        settled = await house.gateway.courier.settled(command_id, 60)
        assert (settled.state, settled.error_code) == ("failed", "NotSupported")
        assert settled.detail == "no lock"


async def test_silence_is_unknown_after_the_time_out_and_the_next_command_goes_on(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house)
        first = await house.order("CP-1", Reset())
        second = await house.order("CP-1", TriggerMessage(message="Heartbeat"))
        late = await answer(link)
        settled = await house.gateway.courier.settled(first, 60)
        assert (settled.state, settled.error_code) == ("unknown", "NoAnswer")
        await link.send(encode([3, late[1], {"status": "Accepted"}]))
        await reply(link, {"status": "Accepted"})
        assert (await house.gateway.courier.settled(second, 60)).state == "answered"
        assert (await house.rows(sa.select(Command).where(Command.id == first)))[0].state == (
            "unknown"
        )


async def test_a_drop_makes_a_sent_command_unknown_and_it_is_never_sent_again(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house)
        command_id = await house.order("CP-1", Unlock(evse_id=1))
        await answer(link)
        link.transport.abort()
        settled = await house.gateway.courier.settled(command_id, 60)
        assert settled.state == "unknown"
        await eventually(lambda: not house.gateway.connections())
        password = house.keyring.new_password()
        seal = house.keyring.seal_generated("CP-1", password)
        await house.change_station("CP-1", password_hash=seal)
        again = await house.dial("CP-1", password)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(again.recv(), 0.2)


async def test_an_answer_that_cant_be_read_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house)
        command_id = await house.order("CP-1", Reset())
        frame = await answer(link)
        await link.send(f'[3,"{frame[1]}",{{"status":NaN}}]')
        assert (await house.gateway.courier.settled(command_id, 60)).state == "unknown"
        assert (await call(link, "Heartbeat", {}))[0] == 3


async def test_what_a_command_says_in_no_version_fails_with_the_reason(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        await ready(house)
        command_id = await house.order("CP-1", TriggerMessage(message="TransactionEvent"))
        settled = await house.gateway.courier.settled(command_id, 60)
        assert settled.state == "failed"
        assert settled.detail


async def test_commands_wait_for_a_station_that_is_away_until_it_comes(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1", booted_at=house.clock.now())
        command_id = await house.order("CP-1", Reset())
        assert (await house.gateway.courier.settled(command_id, 0.05)).state == "queued"
        link = await house.dial("CP-1", password)
        await reply(link, {"status": "Accepted"})
        assert (await house.gateway.courier.settled(command_id, 60)).state == "answered"


async def test_no_command_goes_to_a_station_that_has_not_booted(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password)
        await house.order("CP-1", Reset())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.recv(), 0.1)
        assert (await boot(link))[0] == 3
        assert (await answer(link))[2] == "Reset"


async def test_a_command_whose_time_is_up_is_not_sent_any_more(tmp_path: Path) -> None:
    activity = Activity()
    start = parse_rfc3339("2026-06-01T00:00:00Z")
    clock = SteppedClock(start, activity)
    async with rig(tmp_path, clock=clock, activity=activity) as house:
        password = await house.add_station("CP-1", booted_at=start)
        never = await house.order("CP-1", Reset(), expires_in_s=30)
        later = await house.order("CP-1", TriggerMessage(message="Heartbeat"), expires_in_s=300)
        await clock.advance_to(start + timedelta(seconds=150))
        settled = await house.gateway.courier.settled(never, 0)
        assert (settled.state, settled.error_code) == ("failed", "Expired")
        link = await house.dial("CP-1", password)
        assert (await reply(link, {"status": "Accepted"}))[2] == "TriggerMessage"
        assert (await house.gateway.courier.settled(later, 60)).state == "answered"


async def test_what_is_on_its_way_to_a_station_here_is_not_left_over(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house)
        command_id = await house.order("CP-1", Reset())
        frame = await answer(link)
        # What tells by whom the station is held is written later than it comes.
        await house.gateway.clear_left_over(all_dead)
        assert (await house.station("CP-1")).online
        await link.send(encode([3, frame[1], {"status": "Accepted"}]))
        assert (await house.gateway.courier.settled(command_id, 60)).state == "answered"


async def test_who_clears_up_hears_that_the_database_is_away(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        await house.add_station("CP-1", online=True)
        house.sink.failure = Unavailable("away")
        with pytest.raises(Unavailable):
            await house.gateway.clear_left_over(all_dead)
        house.sink.failure = None
        await house.gateway.clear_left_over(all_dead)
        assert not (await house.station("CP-1")).online


async def test_a_restart_turns_what_was_on_the_wire_into_unknown(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        await house.add_station("CP-1")
        command_id = await house.order("CP-1", Reset())
        await house.sink.enqueue(
            CommandSent(
                station="CP-1", received_at=house.clock.now(), command_id=command_id, epoch=1
            )
        )
    async with rig(tmp_path) as house:
        settled = await house.gateway.courier.settled(command_id, 0)
        assert (settled.state, settled.detail) == ("unknown", "the service was restarted")


async def test_nobody_waits_for_a_command_that_is_not_there(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        with pytest.raises(NotFound):
            await house.gateway.courier.settled("no such command", 1)


async def test_passwords_that_we_send_reach_the_station_and_no_store(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house)
        secret = "41" * 20
        raw = RawCommand(
            action="ChangeConfiguration", payload={"key": "AuthorizationKey", "value": secret}
        )
        command_id = await house.order("CP-1", raw)
        frame = await reply(link, {"status": "Accepted"})
        assert frame[3]["value"] == secret
        await house.gateway.courier.settled(command_id, 60)
        for message in await house.rows(sa.select(Message)):
            assert secret not in message.payload
            assert secret not in (message.answer or "")


async def test_a_safe_limit_goes_into_the_box_at_the_boot_and_when_it_changes(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house, safe_limit_w=3680.0)
        profile = (await reply(link, {"status": "Accepted"}))[3]
        assert profile["connectorId"] == 0
        chosen = profile["csChargingProfiles"]
        assert chosen["chargingProfilePurpose"] == "TxDefaultProfile"
        assert chosen["stackLevel"] == 0
        assert chosen["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 3680.0


async def test_a_changed_safe_limit_goes_into_the_box_and_a_dropped_one_comes_out(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house, safe_limit_w=3680.0)
        await reply(link, {"status": "Accepted"})

        async def change(safe_limit_w: float | None) -> None:
            async with house.db.write(house.clock, house.ids) as work:
                resource = {
                    "identity": "CP-1",
                    "approval": "accepted",
                    "online": True,
                    "safe_limit_w": safe_limit_w,
                    "evses": [{"phases": 3}],
                }
                work.emit("station.updated", subject="station/CP-1", resource=resource)

        await change(2000.0)
        frame = await reply(link, {"status": "Accepted"})
        periods = frame[3]["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
        assert periods[0]["limit"] == 2000.0
        await change(2000.0)
        await change(None)
        assert (await reply(link, {"status": "Accepted"}))[2:] == [
            "ClearChargingProfile",
            {"id": 1},
        ]


async def test_a_safe_limit_is_shared_among_the_evses_of_a_station(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        link = await ready(house, safe_limit_w=7000.0)
        await reply(link, {"status": "Accepted"})
        for connector in (0, 1):
            # The station as a whole is no outlet, and a single one has the limit already.
            await call(link, "StatusNotification", STATUS_16 | {"connectorId": connector})
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.recv(), 0.1)
        for connector in (2, 3):
            await call(link, "StatusNotification", STATUS_16 | {"connectorId": connector})
            limit = await reply(link, {"status": "Accepted"})
            periods = limit[3]["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
            assert periods[0]["limit"] == int(70_000.0 / connector) / 10


async def test_the_settings_of_a_new_station_are_read_once_and_kept(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password)
        await boot(link)
        key = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        frame = await reply(link, {"configurationKey": [key]})
        assert frame[2] == "GetConfiguration"
        await house.activity.quiet()
        (kept,) = await house.rows(sa.select(StationVariable))
        assert (kept.variable, kept.value) == ("HeartbeatInterval", "300")
        await boot(link)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.recv(), 0.1)


async def test_what_an_answer_tells_waits_for_a_database_that_is_away(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password)
        await boot(link)
        frame = await answer(link)
        assert frame[2] == "GetConfiguration"
        await house.activity.quiet()
        house.sink.failure = Unavailable("the database is away")
        key = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        await link.send(encode([3, frame[1], {"configurationKey": [key]}]))
        await asyncio.sleep(0.3)
        house.sink.failure = None
        (command_id,) = await house.rows(sa.select(Command.id))
        settled = await house.gateway.courier.settled(command_id, 60)
        assert settled.state == "answered"
        # By then all that it has told is known.
        (kept,) = await house.rows(sa.select(StationVariable))
        assert (kept.variable, kept.value) == ("HeartbeatInterval", "300")


async def test_a_stepped_clock_waits_for_answers_but_not_for_ever(tmp_path: Path) -> None:
    activity = Activity()
    start = parse_rfc3339("2026-06-01T00:00:00Z")
    clock = SteppedClock(start, activity)
    patient = replace(QUICK, call_s=60.0)
    async with rig(tmp_path, clock=clock, activity=activity, limits=patient) as house:
        link = await ready(house)
        await house.order("CP-1", LIMIT)
        advancing = asyncio.create_task(clock.advance_to(start + timedelta(seconds=1)))
        frame = await answer(link)
        await asyncio.sleep(0.05)
        assert not advancing.done()
        await link.send(encode([3, frame[1], {"status": "Accepted"}]))
        await advancing
        await house.order("CP-1", LIMIT)
        before = time.monotonic()
        await clock.advance_to(start + timedelta(seconds=2))
        assert 0.15 < time.monotonic() - before < 30


async def test_a_disconnected_station_is_not_online_and_neither_is_one_that_never_booted(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        assert not house.gateway.online("CP-1")
        link = await house.dial("CP-1", password)
        assert not house.gateway.online("CP-1")
        await boot(link)
        assert house.gateway.online("CP-1")
        await house.gateway.disconnect("CP-1")
        assert not house.gateway.online("CP-1")
        await closed(link)


async def test_raw_commands_are_judged_by_the_version_that_the_station_speaks(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        await ready(house, "ocpp2.0.1")
        judge = house.gateway.validate_command
        assert list(judge("CP-1", "Reset", {"type": "OnIdle"})) == []
        assert [e.field for e in judge("CP-1", "Reset", {"type": "Hard"})] == ["/type"]
        assert [e.field for e in judge("CP-1", "ChangeConfiguration", {})] == [""]
        assert [e.field for e in judge("CP-1", "Heartbeat", {})] == [""]
