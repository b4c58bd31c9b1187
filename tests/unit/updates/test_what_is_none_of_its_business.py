"""A limit that was not kept is told as a failed command: other keepers let it pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from csms.bus.base import EventNote
from csms.diagnostics.reactions import UploadKeeper
from csms.updates.reactions.firmware import UpdateKeeper
from models.clocks import Activity

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
