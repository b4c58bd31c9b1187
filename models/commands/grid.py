"""Commands about cars that give power, and about what the grid wants of stations (2.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from models.commands.base import Command

DerForm = Literal[
    "curve",
    "enter_service",
    "fixed_pf_absorb",
    "fixed_pf_inject",
    "fixed_var",
    "freq_droop",
    "gradient",
    "limit_max_discharge",
]
"""What a control is made of; its kind says which."""


class AllowEnergyTransfer(Command, frozen=True, kw_only=True):
    """Let the car of this transaction take or give power in these ways."""

    ocpp_transaction_id: str
    modes: tuple[str, ...]


class SendAfrrSignal(Command, frozen=True, kw_only=True):
    """Follow this signal of the automatic frequency restoration reserve."""

    signal: int
    """What it means is in the curve of the charging profile."""
    at: datetime


class SetDerControl(Command, frozen=True, kw_only=True):
    """Behave towards the grid by this control, in the place of one of the same id."""

    control_id: str
    control_type: str
    is_default: bool
    form: DerForm
    setting: dict[str, Any]
    """Its values by our names; see `csms.ocpp.blocks.grid`."""


class ReadDerControls(Command, frozen=True, kw_only=True):
    """Tell us all controls that you have, as reports that follow."""

    request_id: int
    """The second since 1970 at which we ask: what is not told again is gone."""


class ClearDerControl(Command, frozen=True, kw_only=True):
    """Behave by this control no longer."""

    control_id: str
    is_default: bool
