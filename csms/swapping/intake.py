"""Takes in the steps of battery swaps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from csms.swapping.queries import swap_resource
from models.answers import EMPTY, Answer
from models.facts.swapping import BatterySwapped
from models.tables.swapping import BatterySwap


class SwapRow(msgspec.Struct, frozen=True):
    """One step of a swap."""

    station: str
    request_id: int
    step: str
    id_token: str
    token_type: str
    batteries: list[Any]
    received_at: datetime


_SWAPS = RowKind(BatterySwap.__table__, SwapRow, key=("id",))


class SwapDecider:
    """A battery was given back, was taken, or was not taken in time."""

    def load(self, batch: Batch, facts: Sequence[BatterySwapped]) -> None:
        """Fetches the stations."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)

    def decide(self, batch: Batch, fact: BatterySwapped, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps it, and says so."""
        row = SwapRow(
            station=fact.station,
            request_id=fact.request_id,
            step=fact.step,
            id_token=fact.id_token,
            token_type=fact.token_type,
            batteries=[msgspec.to_builtins(each) for each in fact.batteries],
            received_at=fact.received_at,
        )
        batch.add(_SWAPS, row)
        brief = batch.rows(BRIEFS).get(fact.station)
        assert brief is not None  # `Accepted` lets no others through
        batch.emit(
            "battery_swap.reported",
            subject=f"station/{fact.station}",
            resource=swap_resource(cast("Any", row)),
            site_id=brief.site_id,
            tenant=brief.tenant_id,
        )
        return EMPTY
