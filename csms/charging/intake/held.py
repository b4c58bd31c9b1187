"""Takes in which limits stations hold, and what others allow them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from csms.charging.queries import outside_limit_resource
from csms.inquiries.intake import awaited_part, load_inquiries, take_part
from csms.inquiries.rules import InquiryNow
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from models.answers import EMPTY, Answer
from models.commands.held_limits import SOURCES
from models.facts.held_limits import (
    HeldLimit,
    HeldLimitsReported,
    HeldSchedule,
    OutsideLimitCleared,
    OutsideLimitReported,
)
from models.tables.held_limits import HeldLimit as HeldTable
from models.tables.held_limits import OutsideLimit

_log = structlog.get_logger("charging")


class HeldRow(msgspec.Struct, frozen=True):
    """One limit in a station's box."""

    station: str
    evse_id: int
    profile_id: int
    source: str
    purpose: str
    stack_level: int
    kind: str
    recurrence: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    ocpp_transaction_id: str | None
    schedules: list[Any]
    told_at: datetime
    gone: bool


class OutsideRow(msgspec.Struct, frozen=True):
    """What somebody else allows a station."""

    station: str
    evse_id: int
    source: str
    grid_critical: bool | None
    local_generation: bool | None
    schedules: list[Any]
    told_at: datetime
    cleared_at: datetime | None


HELD_MAX = 200
"""So many limits of a station are kept; no box takes nearly as many (`MaxChargingProfiles`)."""
OUTSIDE_MAX = 20
"""So many limits from elsewhere of a station are kept: a few sources, for some EVSEs."""
SCHEDULES_MAX = 10
PERIODS_MAX = 1024
"""So much of a limit from elsewhere is kept, all its schedules taken together: the specification
lets a schedule have as many periods, and sets no bound to schedules, which each plan has to read.
"""
_HELD_KEY = ("station", "evse_id", "profile_id")
_OUTSIDE_KEY = ("station", "evse_id", "source")
HELD = RowKind(
    HeldTable.__table__,
    HeldRow,
    key=_HELD_KEY,
    mutable=[name for name in HeldRow.__struct_fields__ if name not in _HELD_KEY],
)
_OUTSIDE = RowKind(
    OutsideLimit.__table__,
    OutsideRow,
    key=_OUTSIDE_KEY,
    mutable=[name for name in OutsideRow.__struct_fields__ if name not in _OUTSIDE_KEY],
)


class HeldLimitsDecider:
    """A station tells which limits it holds."""

    def load(self, batch: Batch, facts: Sequence[HeldLimitsReported]) -> None:
        """Fetches who has asked, and all that the stations that were asked are known to hold."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        load_inquiries(batch, ((fact.station, "limits", fact.request_id) for fact in facts))
        asked = [f for f in facts if awaited_part(batch, f.station, "limits", f.request_id)]
        rows = batch.rows(HELD)
        rows.find(("station",), [fact.station for fact in asked])
        rows.load((f.station, f.evse_id, each.profile_id) for f in asked for each in f.limits)

    def decide(self, batch: Batch, fact: HeldLimitsReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what is there; what a whole report does not tell is gone.

        What nobody has asked for stays in the message log: its numbers have no end.
        """
        if not awaited_part(batch, fact.station, "limits", fact.request_id):
            return EMPTY
        rows = batch.rows(HELD)
        for each in fact.limits:
            row = _held_row(fact, each, batch.now)
            if rows.make_room(HELD.key_of(row), HELD_MAX, _gone_since):
                rows.put(row)
        inquiry = take_part(batch, fact.station, "limits", fact.request_id, last=fact.last)
        if inquiry is not None:
            forget_held(batch, inquiry)
        return EMPTY


class OutsideLimitDecider:
    """A station tells what somebody else allows it, or allows it no longer."""

    def load(
        self, batch: Batch, facts: Sequence[OutsideLimitReported | OutsideLimitCleared]
    ) -> None:
        """Fetches what others allow these stations."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        rows = batch.rows(_OUTSIDE)
        rows.load((f.station, f.evse_id, f.source) for f in facts if f.evse_id is not None)
        # Those that have changed are known by now: the others matter to what ends, or is new.
        rows.find(
            ("station",),
            {
                f.station
                for f in facts
                if isinstance(f, OutsideLimitCleared)
                or rows.get((f.station, f.evse_id, f.source)) is None
            },
        )

    def decide(
        self,
        batch: Batch,
        fact: OutsideLimitReported | OutsideLimitCleared,
        note: MessageNote | None,
    ) -> Answer:
        """Keeps the newest, and has the site planned anew."""
        rows = batch.rows(_OUTSIDE)
        if isinstance(fact, OutsideLimitReported):
            changed = [_outside_row(fact, batch.now)]
            if not rows.make_room(_OUTSIDE.key_of(changed[0]), OUTSIDE_MAX, _cleared_at):
                _log.warning("outside_limit_not_kept", station=fact.station, source=fact.source)
                if note is not None:
                    note.outcome = "quarantined"
                return EMPTY
        else:
            changed = [
                msgspec.structs.replace(row, cleared_at=batch.now)
                for row in rows.group(fact.station)
                if row.source == fact.source
                and row.cleared_at is None
                and fact.evse_id in {None, row.evse_id}
            ]
        station = batch.rows(BRIEFS).get(fact.station)
        assert station is not None  # `Accepted` lets no others through
        for row in changed:
            rows.put(row)
            batch.emit(
                "outside_limit.changed",
                subject=f"station/{fact.station}",
                resource=outside_limit_resource(row),
                site_id=station.site_id,
                tenant=station.tenant_id,
            )
        if changed and station.site_id is not None:
            batch.request_plan(station.site_id, "limit from elsewhere", tenant=station.tenant_id)
        return EMPTY


def forget_held(batch: Batch, inquiry: InquiryNow) -> None:
    """Remembers of what a whole report did not tell that it is not there, if it was asked for."""
    rows = batch.rows(HELD)
    for row in rows.group(inquiry.station):
        asked = row.source in SOURCES and row.told_at < inquiry.asked_at
        if asked and not row.gone:
            rows.put(msgspec.structs.replace(row, gone=True))


def _held_row(fact: HeldLimitsReported, limit: HeldLimit, now: datetime) -> HeldRow:
    values = {name: getattr(limit, name) for name in limit.__struct_fields__ if name != "schedules"}
    return HeldRow(
        station=fact.station,
        evse_id=fact.evse_id,
        source=fact.source,
        schedules=msgspec.to_builtins(limit.schedules),
        told_at=now,
        gone=False,
        **values,
    )


def _outside_row(fact: OutsideLimitReported, now: datetime) -> OutsideRow:
    return OutsideRow(
        station=fact.station,
        evse_id=fact.evse_id,
        source=fact.source,
        grid_critical=fact.grid_critical,
        local_generation=fact.local_generation,
        schedules=_read_of(fact.schedules),
        told_at=now,
        cleared_at=None,
    )


def _read_of(told: Sequence[HeldSchedule]) -> list[Any]:
    """Returns the first of what was told, as it is kept; the last one is marked where it ends."""
    kept: list[dict[str, Any]] = []
    left = PERIODS_MAX
    for schedule in told[:SCHEDULES_MAX]:
        if left > 0:
            periods = schedule.periods[:left]
            kept.append(msgspec.to_builtins(msgspec.structs.replace(schedule, periods=periods)))
            left -= len(periods)
    if sum(len(each["periods"]) for each in kept) < sum(len(each.periods) for each in told):
        kept[-1]["cut"] = True
    return kept


def _gone_since(row: HeldRow) -> datetime | None:
    return row.told_at if row.gone else None


def _cleared_at(row: OutsideRow) -> datetime | None:
    return row.cleared_at
