"""What is known of a station's controls, after what it has answered and told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from models.facts.grid import (
    DerControl,
    DerControlAnswered,
    DerControlsReported,
    DerStartStopReported,
)

REPORT_WITHIN_S = 3_600
"""How long a report may take; one that was asked for longer ago tells nothing of what is gone."""


class ControlState(msgspec.Struct, frozen=True):
    """A control of a station; see `models.tables.grid.DerControl`."""

    station: str
    control_id: str
    control_type: str | None
    is_default: bool
    state: str
    detail: str | None
    wished: dict[str, Any] | None
    wished_at: datetime | None
    reported: dict[str, Any] | None
    reported_at: datetime | None
    superseded: bool
    started: bool | None
    started_at: datetime | None
    updated_at: datetime


def stranger(station: str, control_id: str, now: datetime) -> ControlState:
    """Returns a control of which nothing is known but its id."""
    return ControlState(
        station=station,
        control_id=control_id,
        control_type=None,
        is_default=False,
        state="accepted",
        detail=None,
        wished=None,
        wished_at=None,
        reported=None,
        reported_at=None,
        superseded=False,
        started=None,
        started_at=None,
        updated_at=now,
    )


def answered(former: ControlState | None, fact: DerControlAnswered) -> ControlState | None:
    """Returns a control after the station's answer; None: there is nothing to be known.

    A wish that was refused leaves in force what was there before.
    """
    now = fact.received_at
    accepted = fact.outcome in {"accepted", "scheduled"}
    if fact.control is None:
        if former is None or not accepted:
            return former
        return msgspec.structs.replace(
            former, state="cleared", started=False, superseded=False, updated_at=now
        )
    if not accepted and former is not None and former.state == "accepted":
        return msgspec.structs.replace(former, detail=fact.detail, updated_at=now)
    base = former or stranger(fact.station, fact.control_id, now)
    return msgspec.structs.replace(
        base,
        control_type=fact.control.control_type,
        is_default=fact.control.is_default,
        state="accepted" if accepted else "rejected",
        detail=fact.detail or None,
        wished=fact.control.setting,
        wished_at=now,
        superseded=False,
        updated_at=now,
    )


def reported(
    former: ControlState | None, fact: DerControlsReported, control: DerControl
) -> ControlState:
    """Returns a control as the station has it."""
    now = fact.received_at
    return msgspec.structs.replace(
        former or stranger(fact.station, control.control_id, now),
        control_type=control.control_type,
        is_default=control.is_default,
        state="accepted",
        reported=control.setting,
        reported_at=now,
        superseded=control.superseded,
        updated_at=now,
    )


def missing(former: ControlState, fact: DerControlsReported) -> ControlState | None:
    """Returns a control that a whole report does not have; None where it may be there after all."""
    if fact.request_id is None or former.state != "accepted":
        return None
    asked_s = int(fact.received_at.timestamp()) - fact.request_id
    if not 0 <= asked_s <= REPORT_WITHIN_S or former.updated_at.timestamp() >= fact.request_id:
        return None
    return msgspec.structs.replace(former, state="gone", started=None, updated_at=fact.received_at)


def started(former: ControlState | None, fact: DerStartStopReported) -> ControlState:
    """Returns a control that has begun, or has ended; what is older than the last word is not."""
    base = former or stranger(fact.station, fact.control_id, fact.received_at)
    if base.started_at is not None and fact.measured_at < base.started_at:
        return base
    return msgspec.structs.replace(
        base, started=fact.started, started_at=fact.measured_at, updated_at=fact.received_at
    )


def superseded(former: ControlState, *, superseded: bool, now: datetime) -> ControlState:
    """Returns a control in whose place another one is, or is no longer."""
    return msgspec.structs.replace(former, superseded=superseded, updated_at=now)
