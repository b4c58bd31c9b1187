"""Facts about how stations behave towards the grid (DER control; OCPP 2.1, block R)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from models.facts import Fact, OutcomeStatus


class DerControl(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One control of a station."""

    control_id: str
    control_type: str
    is_default: bool
    setting: dict[str, Any]
    """Its values by our names."""
    superseded: bool = False
    """Another one is in its place for now."""


class DerControlAnswered(Fact, frozen=True, gc=False, kw_only=True):
    """A station has said what it thinks of a control that we set or cleared."""

    control_id: str
    control: DerControl | None
    """None: it was to be cleared."""
    outcome: OutcomeStatus
    detail: str
    superseded: tuple[str, ...] = ()
    """Controls in whose place the new one is."""


class DerControlsReported(Fact, frozen=True, gc=False, kw_only=True):
    """One part of the controls that a station has."""

    controls: tuple[DerControl, ...]
    request_id: int | None = None
    """Of the report that is complete with this: others that were told before it are gone."""


class DerStartStopReported(Fact, frozen=True, gc=False, kw_only=True):
    """A control has begun, or no longer is in force."""

    control_id: str
    started: bool
    measured_at: datetime
    superseded: tuple[str, ...] = ()


class DerAlarmReported(Fact, frozen=True, gc=False, kw_only=True):
    """The grid does what a control watches for, or has ceased to."""

    control_type: str
    measured_at: datetime
    ended: bool = False
    grid_event: str | None = None
    """OverVoltage, UnderFrequency and so on."""
    info: str | None = None
