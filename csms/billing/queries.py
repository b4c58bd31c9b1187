"""Tariffs, costs and payments as they are shown, and how they are found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import msgspec
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from csms.billing.rules.costs import CostState, total
from csms.billing.rules.prices import TellCost, Terms
from csms.web.documents import KeptShown, Shown
from models.tables.billing import StationTariff, Tariff, TransactionCost, VatCheck
from models.tables.energy import Site
from models.tables.stations import Station


class ElementShown(Shown):
    """Other prices at some times."""

    energy_price_per_kwh: str | None
    charging_price_per_hour: str | None
    idle_price_per_hour: str | None
    start_time: str | None
    end_time: str | None
    days: list[str]


class TariffShown(KeptShown):
    """What charging costs."""

    name: str
    currency: str
    energy_price_per_kwh: str
    charging_price_per_hour: str
    idle_price_per_hour: str
    fixed_fee: str
    min_cost: str | None
    max_cost: str | None
    valid_from: AwareDatetime | None
    valid_until: AwareDatetime | None
    elements: list[ElementShown]
    tell_cost: TellCost
    cost_step_wh: float
    cost_interval: str
    """ISO 8601."""


class CostShown(Shown):
    """What a transaction costs, in parts."""

    transaction_id: str
    tariff_id: str
    currency: str
    cost: str
    """The sum of the parts, within what the tariff allows, in whole coins."""
    energy_wh: float
    energy_cost: str
    charging_time: str
    """ISO 8601; in which energy has flowed."""
    charging_cost: str
    idle_time: str
    """ISO 8601; in which none has, and the station did not hold the car back."""
    idle_cost: str
    held_time: str
    """ISO 8601; in which the station held the car back. It costs nothing."""
    fixed_fee: str
    counted_until: AwareDatetime
    """Up to when the station has told of its energy."""
    suspect: list[str]
    """Why the cost is doubted: `time-gap`: more than a day without a word of its energy, which
    costs no time; `cut-by-share`: time was taken back in equal shares. Empty when nothing is."""


class StationTariffShown(Shown):
    """A tariff in a 2.1 station."""

    station: str
    tariff_id: str
    evse_id: int
    """0: all of them."""
    kind: str
    wished: bool
    """Whether it was put there from here."""
    state: Literal["held", "refused", "cleared", "missing"]
    why: str | None
    id_tokens: list[str]
    changed_at: AwareDatetime


class CompanyShown(Shown):
    """Whom a receipt is for."""

    name: str
    address1: str
    address2: str | None
    city: str
    postal_code: str | None
    country: str


class SettlementShown(Shown):
    """What a payment terminal has made of a payment."""

    id: str
    station: str
    psp_ref: str
    ocpp_transaction_id: str | None
    status: Literal["Settled", "Canceled", "Rejected", "Failed"]
    info: str | None
    amount: str
    settled_at: AwareDatetime
    receipt_id: str
    receipt_url: str | None
    vat_number: str | None
    company: CompanyShown | None
    received_at: AwareDatetime


class VatCheckShown(Shown):
    """A VAT number that a station has asked about."""

    id: str
    station: str
    evse_id: int | None
    vat_number: str
    accepted: bool
    why: str | None
    company: CompanyShown | None
    received_at: AwareDatetime


_TARIFF = (
    *("id", "name", "currency", "energy_price_per_kwh", "charging_price_per_hour"),
    *("idle_price_per_hour", "fixed_fee", "min_cost", "max_cost", "valid_from", "valid_until"),
    *("elements", "tell_cost", "cost_step_wh", "external_id", "custom", "created_at"),
    "updated_at",
)
_SETTLEMENT = tuple(name for name in SettlementShown.model_fields if name != "company")
_STATION_TARIFF = tuple(StationTariffShown.model_fields)
_VAT = tuple(name for name in VatCheckShown.model_fields if name not in {"id", "company"})


def tariff_resource(row: Tariff) -> dict[str, Any]:
    """Returns a tariff as the REST door and the events show it."""
    shown = {name: getattr(row, name) for name in _TARIFF}
    return shown | {"cost_interval": timedelta(seconds=row.cost_interval_s)}


def cost_resource(row: TransactionCost) -> dict[str, Any]:
    """Returns what a transaction costs as it is shown."""
    terms = msgspec.convert(row.terms, Terms)
    return {
        "transaction_id": row.transaction_id,
        "tariff_id": terms.tariff_id,
        "currency": terms.currency,
        "cost": total(cost_state(row)),
        "energy_wh": row.counted_wh,
        "energy_cost": format(row.energy_cost, "f"),
        "charging_time": timedelta(seconds=row.charging_s),
        "charging_cost": format(row.charging_cost, "f"),
        "idle_time": timedelta(seconds=row.idle_s),
        "idle_cost": format(row.idle_cost, "f"),
        "held_time": timedelta(seconds=row.held_s),
        "fixed_fee": terms.fixed_fee,
        "counted_until": row.counted_until,
        "suspect": row.suspect,
    }


def cost_state(row: TransactionCost) -> CostState:
    """Returns a cost as the rules take it."""
    return CostState(**{name: getattr(row, name) for name in CostState.__struct_fields__})


def station_tariff_resource(row: StationTariff) -> dict[str, Any]:
    """Returns a tariff in a station as it is shown."""
    return {name: getattr(row, name) for name in _STATION_TARIFF}


def settlement_resource(row: Any) -> dict[str, Any]:
    """Returns a settlement as the REST door and the events show it."""
    shown = {name: getattr(row, name) for name in _SETTLEMENT}
    return shown | {"amount": format(row.amount, "f"), "company": _whole(row.company)}


def vat_resource(row: VatCheck) -> dict[str, Any]:
    """Returns a VAT number that was asked about as it is shown."""
    shown = {name: getattr(row, name) for name in _VAT}
    return {"id": str(row.id), **shown, "company": _whole(row.company)}


async def tariff_of(session: AsyncSession, station: Station) -> Tariff | None:
    """Returns the tariff of a station, else of its site; None where there is none."""
    site = None if station.site_id is None else await session.get(Site, station.site_id)
    tariff_id = station.tariff_id or (site and site.tariff_id)
    return None if tariff_id is None else await session.get(Tariff, tariff_id)


async def terms_for(session: AsyncSession, row: Tariff, station: Station) -> Terms:
    """Returns a tariff as it is taken at a station."""
    site = None if station.site_id is None else await session.get(Site, station.site_id)
    values = {name: getattr(row, name) for name in Terms.__struct_fields__ if hasattr(row, name)}
    plain = msgspec.to_builtins(values | {"tariff_id": row.id})
    return msgspec.convert(plain | {"timezone": site.timezone if site else "UTC"}, Terms)


def _whole(company: dict[str, Any] | None) -> dict[str, Any] | None:
    if company is None:
        return None
    return dict.fromkeys(CompanyShown.model_fields) | company
