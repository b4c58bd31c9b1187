"""K, smart charging: limits put into stations, taken out and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp import profiles
from csms.ocpp.blocks import needs
from csms.ocpp.fields import optional
from csms.ocpp.table import Block, Outcome, Said, by_status
from csms.ocpp.wire import v201
from models import commands
from models.units import NOMINAL_VOLTAGE_V


def _clear_limit(command: commands.ClearLimit) -> msgspec.Struct:
    """Returns the request; an id and criteria exclude each other (K10.FR.02)."""
    criteria: v201.ClearChargingProfileType | UnsetType = UNSET
    if command.profile_id is None:
        criteria = v201.ClearChargingProfileType(
            evse_id=optional(command.evse_id),
            charging_profile_purpose=optional(
                command.purpose and profiles.purpose_2x(command.purpose)
            ),
            stack_level=optional(command.stack_level),
        )
    return v201.ClearChargingProfileRequest(
        charging_profile_id=optional(command.profile_id), charging_profile_criteria=criteria
    )


def _read_limit(command: commands.ReadLimit) -> msgspec.Struct:
    return v201.GetCompositeScheduleRequest(
        evse_id=command.evse_id,
        duration=command.duration_s,
        charging_rate_unit=command.rate_unit,
    )


def _limit_read(command: commands.ReadLimit, response: Mapping[str, Any]) -> Outcome:
    periods = profiles.composite(response.get("schedule"), voltage_v=NOMINAL_VOLTAGE_V)
    return msgspec.structs.replace(by_status(command, response), periods=periods)


BLOCK = Block(
    "K. Smart charging",
    heard=(needs.NEEDS, needs.SCHEDULE),
    said=(
        Said(commands.SetLimit, profiles.set_profile_2x, by_status, ("SetChargingProfile",)),
        Said(commands.ClearLimit, _clear_limit, profiles.cleared, ("ClearChargingProfile",)),
        Said(commands.ReadLimit, _read_limit, _limit_read, ("GetCompositeSchedule",)),
    ),
    sent=("ClearChargingProfile", "GetCompositeSchedule", "SetChargingProfile"),
)
