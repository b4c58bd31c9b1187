"""What all commands have in common, and the names of variables that several of them speak of."""

from __future__ import annotations

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What all commands have in common: nothing but being one."""


class VariableName(msgspec.Struct, frozen=True, kw_only=True):
    """Which setting of a station."""

    name: str
    """1.6: the configuration key. 2.x: the variable."""
    component: str | None = None
    """Required on 2.x, ignored on 1.6."""
    component_instance: str | None = None
    instance: str | None = None
    evse_id: int | None = None
    connector_id: int | None = None
