"""Commands that ask a 2.x station for its settings as reports that follow."""

from __future__ import annotations

from typing import Literal

import msgspec

from models.commands.base import Command

ReportBase = Literal["full", "configuration", "summary"]
"""All that there is; what can be set; what is needed to see how the station does."""
ReportCriterion = Literal["Active", "Available", "Enabled", "Problem"]
"""Components of which this is true."""


class ReportPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A component, and which variable of it; None: all."""

    component: str
    component_instance: str | None = None
    evse_id: int | None = None
    connector_id: int | None = None
    variable: str | None = None
    instance: str | None = None


class ReadBaseReport(Command, frozen=True, kw_only=True):
    """Tell us one of the reports that every station has."""

    request_id: int
    base: ReportBase


class ReadReport(Command, frozen=True, kw_only=True):
    """Tell us what fits all that is given."""

    request_id: int
    criteria: tuple[ReportCriterion, ...] = ()
    """Any of these."""
    places: tuple[ReportPlace, ...] = ()
    """Any of these."""
