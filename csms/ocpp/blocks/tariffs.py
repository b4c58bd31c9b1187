"""I, tariff and cost: sums that a station shows (2.0.1), and the tariffs that it holds (2.1).

Prices are per minute on the wire and per hour everywhere else. An answer about tariffs says what
the station has from then on.

Source: OCPP 2.1 part 2, I01 to I12.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.fields import optional
from csms.ocpp.table import Block, Outcome, Said, by_status
from csms.ocpp.wire import v21, v201
from models.commands import costs
from models.facts.payments import HeldTariff, TariffNews

_DEFAULT = "DefaultTariff"


def _tell_cost(command: costs.TellCost) -> v201.CostUpdatedRequest:
    return v201.CostUpdatedRequest(
        total_cost=float(command.total_cost), transaction_id=command.ocpp_transaction_id
    )


def _cost_told(_command: costs.TellCost, _response: Mapping[str, Any]) -> Outcome:
    """The answer is empty: that it came is all that it says."""
    return Outcome(status="accepted")


def _set_default(command: costs.SetDefaultTariff) -> v21.SetDefaultTariffRequest:
    return v21.SetDefaultTariffRequest(evse_id=command.evse_id, tariff=tariff_of(command.terms))


def _default_set(command: costs.SetDefaultTariff, response: Mapping[str, Any]) -> Outcome:
    outcome = by_status(command, response)
    held = HeldTariff(
        tariff_id=command.terms.tariff_id,
        kind=_DEFAULT,
        evse_ids=(command.evse_id,) if command.evse_id else (),
    )
    refused = None if outcome.status == "accepted" else outcome.detail
    news = TariffNews(held=(held,), wished=True, refused=refused)
    return msgspec.structs.replace(outcome, tariffs=news)


def _read(command: costs.ReadTariffs) -> v21.GetTariffsRequest:
    return v21.GetTariffsRequest(evse_id=command.evse_id)


def _tariffs_read(command: costs.ReadTariffs, response: Mapping[str, Any]) -> Outcome:
    outcome = by_status(command, response)
    if response.get("status") == "NoTariff":
        news = TariffNews(whole_of=command.evse_id)
        return msgspec.structs.replace(outcome, status="accepted", tariffs=news)
    if outcome.status != "accepted":
        return outcome
    told = cast("list[dict[str, Any]]", response.get("tariffAssignments") or [])
    held = tuple(
        HeldTariff(
            tariff_id=each["tariffId"],
            kind=each["tariffKind"],
            evse_ids=tuple(each.get("evseIds") or ()),
            id_tokens=tuple(each.get("idTokens") or ()),
        )
        for each in told
    )
    return msgspec.structs.replace(outcome, tariffs=TariffNews(held=held, whole_of=command.evse_id))


def _clear(command: costs.ClearTariffs) -> v21.ClearTariffsRequest:
    return v21.ClearTariffsRequest(
        tariff_ids=optional(list(command.tariff_ids) or None), evse_id=optional(command.evse_id)
    )


def _cleared(command: costs.ClearTariffs, response: Mapping[str, Any]) -> Outcome:
    """One that the station does not know is gone as well."""
    results = cast("list[dict[str, Any]]", response["clearTariffsResult"])
    done = [each for each in results if each["status"] in {"Accepted", "NoTariff"}]
    gone = tuple(str(each["tariffId"]) for each in done if "tariffId" in each)
    whole = len(done) == len(results)
    every = whole and not command.tariff_ids and command.evse_id is None
    return Outcome(
        status="accepted" if whole else "rejected",
        detail=", ".join(str(each["status"]) for each in results),
        tariffs=TariffNews(gone=gone, all_gone=every),
    )


def _change(command: costs.ChangeTransactionTariff) -> v21.ChangeTransactionTariffRequest:
    return v21.ChangeTransactionTariffRequest(
        transaction_id=command.ocpp_transaction_id, tariff=tariff_of(command.terms)
    )


def tariff_of(terms: costs.StationTerms) -> v21.TariffType:
    """Returns a tariff as the wire has it."""
    return v21.TariffType(
        tariff_id=terms.tariff_id,
        currency=terms.currency,
        description=[
            v21.MessageContentType(format="UTF8", content=terms.name[:1024], language="en")
        ],
        energy=_energy(terms.energy_per_kwh),
        charging_time=_time(terms.charging_per_hour),
        idle_time=_time(terms.idle_per_hour),
        fixed_fee=_fixed(terms.fixed),
        min_cost=_sum(terms.min_cost),
        max_cost=_sum(terms.max_cost),
    )


def _energy(prices: tuple[costs.Price, ...]) -> v21.TariffEnergyType | UnsetType:
    if not prices:
        return UNSET
    return v21.TariffEnergyType(
        prices=[
            v21.TariffEnergyPriceType(price_kwh=float(each.price), conditions=_conditions(each))
            for each in prices
        ]
    )


def _time(prices: tuple[costs.Price, ...]) -> v21.TariffTimeType | UnsetType:
    if not prices:
        return UNSET
    return v21.TariffTimeType(
        prices=[
            v21.TariffTimePriceType(
                price_minute=float(each.price / 60), conditions=_conditions(each)
            )
            for each in prices
        ]
    )


def _fixed(prices: tuple[costs.Price, ...]) -> v21.TariffFixedType | UnsetType:
    if not prices:
        return UNSET
    return v21.TariffFixedType(
        prices=[v21.TariffFixedPriceType(price_fixed=float(each.price)) for each in prices]
    )


def _conditions(price: costs.Price) -> v21.TariffConditionsType | UnsetType:
    if price.start_time is None and price.end_time is None and not price.days:
        return UNSET
    days = cast("list[v21.DayOfWeekEnumType]", [day.capitalize() for day in price.days])
    return v21.TariffConditionsType(
        start_time_of_day=optional(price.start_time),
        end_time_of_day=optional(price.end_time),
        day_of_week=optional(days or None),
    )


def _sum(amount: Decimal | None) -> v21.PriceType | UnsetType:
    return UNSET if amount is None else v21.PriceType(incl_tax=float(amount))


COST = Block(
    "I. Tariff and cost",
    said=(Said(costs.TellCost, _tell_cost, _cost_told, ("CostUpdated",)),),
    sent=("CostUpdated",),
)
TARIFF = Block(
    "I. Tariff and cost (2.1)",
    said=(
        Said(costs.SetDefaultTariff, _set_default, _default_set, ("SetDefaultTariff",)),
        Said(costs.ReadTariffs, _read, _tariffs_read, ("GetTariffs",)),
        Said(costs.ClearTariffs, _clear, _cleared, ("ClearTariffs",)),
        Said(costs.ChangeTransactionTariff, _change, by_status, ("ChangeTransactionTariff",)),
    ),
    sent=("ChangeTransactionTariff", "ClearTariffs", "GetTariffs", "SetDefaultTariff"),
)
