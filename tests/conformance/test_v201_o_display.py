"""OCPP 2.0.1, block O: the certification programme's cases for central systems."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.played_sessions import Session
from tests.builders.played_station import PlayedStation, now


def message(number: int = 1, **more: Any) -> dict[str, Any]:
    """Returns a message for the driver."""
    text = {"format": "UTF8", "language": "en", "content": "Closed on Sunday"}
    return {"id": number, "priority": "NormalCycle", "message": text, **more}


async def sets(cs: PlayedStation, status: str = "Accepted", **more: Any) -> None:
    """SetDisplayMessage, and the answer."""
    await cs.order("SetDisplayMessage", {"message": message(**more)}, {"status": status})


async def test_tc_o_01_csms_set_display_message(cs: PlayedStation) -> None:
    """A message that is always shown in turn."""
    await sets(cs)


async def gets(cs: PlayedStation, *found: Any, **criteria: Any) -> None:
    """GetDisplayMessages, and what the station tells, which is kept."""
    reply = {"status": "Accepted" if found else "Unknown"}
    await cs.order("GetDisplayMessages", {"requestId": 2, **criteria}, reply)
    if not found:
        return
    for number, each in enumerate(found):
        payload = {"requestId": 2, "tbc": number + 1 < len(found), "messageInfo": [each]}
        assert await cs.call("NotifyDisplayMessages", payload) == {}
    kept = await cs.messages("NotifyDisplayMessages")
    assert len(kept) == len(found)


async def test_tc_o_02_csms_get_all_display_messages(cs: PlayedStation) -> None:
    """All messages, in two parts."""
    await gets(cs, message(1), message(2))


async def test_tc_o_03_csms_get_all_display_messages_none(cs: PlayedStation) -> None:
    """There are none, answered Unknown."""
    await gets(cs)


@pytest.mark.parametrize("number", [1, 2_147_483_647])
async def test_tc_o_04_csms_clear_display_message(cs: PlayedStation, number: int) -> None:
    """ClearDisplayMessage of one that is there."""
    await cs.order("ClearDisplayMessage", {"id": number})


async def test_tc_o_05_csms_clear_display_message_unknown(cs: PlayedStation) -> None:
    """ClearDisplayMessage, answered Unknown."""
    await cs.order("ClearDisplayMessage", {"id": 9}, {"status": "Unknown"})


async def in_session(cs: PlayedStation, **more: Any) -> None:
    """SetDisplayMessage for the time of a session."""
    session = Session(cs)
    await session.charging()
    await sets(cs, transactionId=session.name, **more)


async def test_tc_o_06_csms_set_display_message_for_transaction(cs: PlayedStation) -> None:
    """A message for the time of a session."""
    await in_session(cs)


async def test_tc_o_07_csms_get_display_message_by_id(cs: PlayedStation) -> None:
    """By its number."""
    await gets(cs, message(1), id=[1])


async def test_tc_o_08_csms_get_display_message_by_priority(cs: PlayedStation) -> None:
    """By priority."""
    await gets(cs, message(1), priority="NormalCycle")


async def test_tc_o_09_csms_get_display_message_by_state(cs: PlayedStation) -> None:
    """By state."""
    await gets(cs, message(1, state="Charging"), state="Charging")


async def test_tc_o_10_csms_set_display_message_unknown_transaction(cs: PlayedStation) -> None:
    """The session is not there, answered UnknownTransaction."""
    await sets(cs, "UnknownTransaction", transactionId="none")


async def test_tc_o_11_csms_get_display_message_unknown_parameters(cs: PlayedStation) -> None:
    """Nothing fits, answered Unknown."""
    await gets(cs, id=[77], priority="AlwaysFront", state="Faulted")


async def test_tc_o_12_csms_replace_display_message(cs: PlayedStation) -> None:
    """A message with the number of another takes its place."""
    await sets(cs)
    await sets(cs, priority="InFront")


async def test_tc_o_13_csms_set_display_message_start_time(cs: PlayedStation) -> None:
    """A message from a time on."""
    await sets(cs, startDateTime=now())


async def test_tc_o_14_csms_set_display_message_end_time(cs: PlayedStation) -> None:
    """A message until a time."""
    await sets(cs, endDateTime=now())


async def test_tc_o_17_csms_set_display_message_not_supported_priority(cs: PlayedStation) -> None:
    """Answered NotSupportedPriority."""
    await sets(cs, "NotSupportedPriority", priority="AlwaysFront")


async def test_tc_o_18_csms_set_display_message_not_supported_state(cs: PlayedStation) -> None:
    """Answered NotSupportedState."""
    await sets(cs, "NotSupportedState", state="Faulted")


async def test_tc_o_19_csms_set_display_message_not_supported_format(cs: PlayedStation) -> None:
    """Answered NotSupportedMessageFormat."""
    text = {"format": "HTML", "content": "<b>Closed</b>"}
    await sets(cs, "NotSupportedMessageFormat", message=text)


@pytest.mark.parametrize("state", ["Charging", "Faulted", "Idle", "Unavailable"])
async def test_tc_o_25_csms_set_display_message_state(cs: PlayedStation, state: str) -> None:
    """A message for each state."""
    await sets(cs, state=state)


async def test_tc_o_26_csms_set_display_message_rejected(cs: PlayedStation) -> None:
    """Answered Rejected."""
    await sets(cs, "Rejected")


async def test_tc_o_27_csms_set_display_message_transaction_start_time(cs: PlayedStation) -> None:
    """A message for a session, from a time on."""
    await in_session(cs, startDateTime=now())


async def test_tc_o_28_csms_set_display_message_transaction_end_time(cs: PlayedStation) -> None:
    """A message for a session, until a time."""
    await in_session(cs, endDateTime=now())
