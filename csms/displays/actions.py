"""Asking stations to show messages: the wish is a row before it is a command."""

from __future__ import annotations

from csms.displays.rules import text_of
from csms.ledger.work import UnitOfWork
from csms.stations.actions import COMMAND_TIMEOUT_S
from models.commands.displays import ShowMessage
from models.facts.displays import DisplayMessage as Message
from models.tables.displays import DisplayMessage


async def wish_message(work: UnitOfWork, station: str, message: Message) -> str:
    """Writes down what a station is to show, and orders it.

    Returns:
        The id of the command.
    """
    key = (station, message.message_id)
    row = await work.session.get(DisplayMessage, key, with_for_update=True)
    if row is None:
        row = DisplayMessage(station=station, message_id=message.message_id, gone=False)
        work.session.add(row)
    row.wish, row.wish_state, row.why = text_of(message), "asked", None
    row.wished_at = row.updated_at = work.now
    await work.session.flush()
    return work.order(
        ShowMessage(message=message),
        station=station,
        origin="api",
        expires_in_s=COMMAND_TIMEOUT_S,
    )
