"""What others may know of transactions and their readings.

The `*_resource` functions make what events carry and the REST door shows. They take the ORM's rows
and the structs of `csms.charging.rules` alike: both have the columns' names.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec
from pydantic import AwareDatetime

from csms.stations.rules import is_our_limit
from csms.web.documents import Shown

_SHOWN_TRANSACTION = (
    "id",
    "station",
    "evse_id",
    "connector_id",
    "ocpp_transaction_id",
    "started_at",
    "stopped_at",
    "received_at",
    "updated_at",
    "meter_start_wh",
    "meter_last_wh",
    "energy_wh",
    "solar_wh",
    "power_w",
    "soc_pct",
    "last_reading_at",
    "charging_state",
    "stop_reason",
    "id_token",
    "token_status",
    "vehicle_id",
    "driver_id",
    "command_id",
    "suspect",
    "tariff_id",
    "currency",
    "cost",
    "priority_charging",
    "stopped_by",
)
_SHOWN_READING = (
    "measured_at",
    "received_at",
    "evse_id",
    "context",
    "location",
    "energy_wh",
    "power_w",
    "current_a",
    "voltage_v",
    "soc_pct",
    "other",
    "suspect",
)


_transaction_values = attrgetter(*_SHOWN_TRANSACTION)
_TransactionNews = msgspec.defstruct("_TransactionNews", _SHOWN_TRANSACTION)
"""Each meter value tells its transaction anew: as JSON, this costs half of what a dict does."""


class TransactionShown(Shown):
    """One car's stay on an EVSE, from start to stop as the station told it."""

    id: str
    station: str
    evse_id: int
    connector_id: int | None
    ocpp_transaction_id: str
    started_at: AwareDatetime
    stopped_at: AwareDatetime | None
    received_at: AwareDatetime
    updated_at: AwareDatetime
    meter_start_wh: float | None
    meter_last_wh: float | None
    energy_wh: float
    solar_wh: float
    """What the site's roof gave of it."""
    power_w: float | None
    soc_pct: float | None
    last_reading_at: AwareDatetime | None
    charging_state: str | None
    stop_reason: str | None
    id_token: str | None
    token_status: str | None
    vehicle_id: str | None
    driver_id: str | None
    command_id: str | None
    suspect: list[str]
    """Why its data is doubted; empty when nothing is."""
    tariff_id: str | None
    """By which it is priced."""
    currency: str | None
    """ISO 4217."""
    cost: str | None
    """So far, a decimal as text; null where there is no tariff."""
    stopped_by: str | None
    """The token that ended it, where one was shown; null: none, or who may not see people."""
    priority_charging: bool
    """It draws what its EVSE can give, whatever the plan (2.1)."""


class MeterValueShown(Shown):
    """What a meter said at an instant."""

    measured_at: AwareDatetime
    received_at: AwareDatetime
    evse_id: int
    context: str
    location: str
    energy_wh: float | None
    power_w: float | None
    current_a: list[float | None] | None
    """Per phase."""
    voltage_v: list[float | None] | None
    """Per phase."""
    soc_pct: float | None
    other: dict[str, Any] | None
    suspect: list[str] | None


def transaction_resource(transaction: Any) -> dict[str, Any]:
    """Returns a transaction as the REST door shows it."""
    return dict(zip(_SHOWN_TRANSACTION, _transaction_values(transaction), strict=True))


def transaction_news(transaction: Any) -> msgspec.Struct:
    """Returns the same as `transaction_resource`, for writing it as JSON."""
    return _TransactionNews(*_transaction_values(transaction))


def reading_resource(reading: Any) -> dict[str, Any]:
    """Returns a reading as the REST door shows it."""
    return {name: getattr(reading, name) for name in _SHOWN_READING}


def held_limit_resource(limit: Any) -> dict[str, Any]:
    """Returns a limit in a station's box, with whether it is one of ours."""
    ours = is_our_limit(limit.source, limit.purpose, limit.evse_id, limit.profile_id)
    return {
        "id": limit.profile_id,
        "station": limit.station,
        "evse_id": limit.evse_id,
        "source": limit.source,
        "purpose": limit.purpose,
        "stack_level": limit.stack_level,
        "kind": limit.kind,
        "recurrence": limit.recurrence,
        "valid_from": limit.valid_from,
        "valid_to": limit.valid_to,
        "ocpp_transaction_id": limit.ocpp_transaction_id,
        "schedules": limit.schedules,
        "state": "gone" if limit.gone else "ours" if ours else "foreign",
        "told_at": limit.told_at,
    }


def outside_limit_resource(limit: Any) -> dict[str, Any]:
    """Returns what somebody else allows a station; it takes rows and structs alike."""
    return {
        "station": limit.station,
        "evse_id": limit.evse_id,
        "source": limit.source,
        "grid_critical": limit.grid_critical,
        "local_generation": limit.local_generation,
        "schedules": [
            {name: value for name, value in each.items() if name != "cut"}
            for each in limit.schedules
        ],
        "cut": any(each.get("cut", False) for each in limit.schedules),
        "active": limit.cleared_at is None,
        "told_at": limit.told_at,
        "cleared_at": limit.cleared_at,
    }
