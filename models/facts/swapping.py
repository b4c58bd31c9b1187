"""Facts about stations that swap batteries (OCPP 2.1, block S)."""

from __future__ import annotations

from typing import Literal

import msgspec

from models.facts import Fact

SwapStep = Literal["BatteryIn", "BatteryOut", "BatteryOutTimeout"]
"""Batteries were given back; were taken; were not taken in time."""


class Battery(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A battery in a slot of a station."""

    evse_id: int
    """The slot."""
    serial_number: str
    soc_pct: float
    soh_pct: float
    """How much of its first capacity it still has."""
    produced_at: str | None = None
    """As the station writes it."""
    vendor_info: str | None = None


class BatterySwapped(Fact, frozen=True, gc=False, kw_only=True):
    """One step of a swap."""

    step: SwapStep
    request_id: int
    """What the steps of a swap have in common."""
    id_token: str
    token_type: str
    batteries: tuple[Battery, ...]
