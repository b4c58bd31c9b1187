"""Commands about what a 2.x station watches by itself."""

from __future__ import annotations

from typing import Literal

import msgspec

from models.commands.base import Command, VariableName

MonitorKind = Literal[
    "UpperThreshold", "LowerThreshold", "Delta", "Periodic", "PeriodicClockAligned"
]
"""When a station tells of a variable that it watches."""
MonitoringBase = Literal["All", "FactoryDefault", "HardWiredOnly"]
"""All monitors that it has; those it came with; those that can't be changed."""


class MonitorWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a station is to watch by itself."""

    variable: VariableName
    kind: MonitorKind
    value: float
    """The threshold or the step in the variable's unit; of periodic kinds the seconds."""
    severity: int
    """0 (danger) to 9 (debug)."""
    transaction: bool = False
    """Whether it is to watch while a transaction runs only."""
    monitor_id: int | None = None
    """Takes the place of this one; None: a new one."""


class SetMonitors(Command, frozen=True, kw_only=True):
    """Watch these variables (2.x)."""

    monitors: tuple[MonitorWish, ...]


class ClearMonitors(Command, frozen=True, kw_only=True):
    """Watch no longer what these monitors watch (2.x)."""

    monitor_ids: tuple[int, ...]


class ReadMonitors(Command, frozen=True, kw_only=True):
    """Tell us all that you watch, as reports that follow (2.x)."""

    request_id: int
    """The second since 1970 at which we ask: what was told before and is not told again is gone."""


class SetMonitoringBase(Command, frozen=True, kw_only=True):
    """Watch what you were made to watch, with or without what was added (2.x)."""

    base: MonitoringBase


class SetMonitoringLevel(Command, frozen=True, kw_only=True):
    """Tell events of this severity, and those that are worse (2.x)."""

    severity: int
