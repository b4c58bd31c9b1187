"""Commands about what charging costs: sums, and the tariffs that a 2.1 station holds."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from models.commands.base import Command

Weekday = Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A price, and when it holds; without times: always."""

    price: Decimal
    """Per kWh, per hour, or once."""
    start_time: str | None = None
    """`HH:MM` where the station stands; None: from midnight on."""
    end_time: str | None = None
    """`HH:MM`, not itself within; None: until midnight."""
    days: tuple[Weekday, ...] = ()
    """None of them: every day."""


class StationTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff as stations take it. Of prices of one kind, the first that holds counts."""

    tariff_id: str
    name: str
    currency: str
    energy_per_kwh: tuple[Price, ...] = ()
    charging_per_hour: tuple[Price, ...] = ()
    idle_per_hour: tuple[Price, ...] = ()
    fixed: tuple[Price, ...] = ()
    min_cost: Decimal | None = None
    max_cost: Decimal | None = None


class TellCost(Command, frozen=True, kw_only=True):
    """Show what a transaction has cost so far (2.x)."""

    ocpp_transaction_id: str
    total_cost: Decimal
    """In the currency that the station knows."""


class SetDefaultTariff(Command, frozen=True, kw_only=True):
    """Price transactions by this tariff, where their driver has none (2.1)."""

    evse_id: int
    """0: at all of them."""
    terms: StationTerms


class ReadTariffs(Command, frozen=True, kw_only=True):
    """Tell us which tariffs you hold (2.1)."""

    evse_id: int = 0
    """0: of all of them."""


class ClearTariffs(Command, frozen=True, kw_only=True):
    """Forget tariffs (2.1)."""

    tariff_ids: tuple[str, ...] = ()
    """None of them: all."""
    evse_id: int | None = None


class ChangeTransactionTariff(Command, frozen=True, kw_only=True):
    """Go on with a transaction by this tariff (2.1)."""

    ocpp_transaction_id: str
    terms: StationTerms


class AnnounceWebPayment(Command, frozen=True, kw_only=True):
    """Somebody is about to pay for an EVSE on the web: let nobody else have it (2.1)."""

    evse_id: int
    timeout_s: int
