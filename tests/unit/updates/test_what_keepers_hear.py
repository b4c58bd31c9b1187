"""What the keepers of updates and logs hear: what concerns them, again if they could not look."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from csms.bus.base import EventNote
from csms.diagnostics.reactions import UploadKeeper
from csms.updates.reactions.firmware import UpdateKeeper
from models.clocks import Activity, SteppedClock

NOTHING: Any = None
LIMIT = b'{"id":"l","station":"A-1","evse_id":1,"state":"disobeyed"}'


@pytest.mark.parametrize("kind", ["firmware", "logs"])
async def test_a_limit_that_was_not_kept_is_let_pass(kind: str) -> None:
    parts: dict[str, Any] = dict.fromkeys(("db", "clock", "ids"), NOTHING)
    parts["activity"] = Activity()
    keeper = (
        UpdateKeeper(**parts)
        if kind == "firmware"
        else UploadKeeper(**parts, store=NOTHING, kept=None)
    )
    noon = datetime(2026, 6, 15, 12, tzinfo=UTC)
    await keeper.heard(EventNote(1, noon, "command.failed", "default", "A", "limit/l", LIMIT))


@pytest.mark.parametrize(("kind", "order"), [("firmware", "UpdateFirmware"), ("logs", "UploadLog")])
async def test_a_look_that_fails_is_made_again(kind: str, order: str) -> None:
    start = datetime(2026, 6, 15, 12, tzinfo=UTC)
    clock = SteppedClock(start, Activity())
    parts: dict[str, Any] = {"db": NOTHING, "clock": clock, "ids": NOTHING, "activity": Activity()}
    keeper = (
        UpdateKeeper(**parts)
        if kind == "firmware"
        else UploadKeeper(**parts, store=NOTHING, kept=None)
    )
    command = f'{{"station":"A-1","kind":"{order}"}}'.encode()
    with pytest.raises(AttributeError):
        await keeper.heard(
            EventNote(1, start, "command.failed", "default", "A", "command/c", command)
        )
    assert kind in {task.get_name() for task in asyncio.all_tasks()}
    await keeper.stop()
