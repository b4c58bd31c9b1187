"""The words of OCPP 2.x about the limits that a station holds."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from typing import Any

from ocpp.routing import on

from simulators.notices import Told
from simulators.profiles import Profile, Purpose
from simulators.voice import Voice


class LimitVoiceV2X(Voice):
    """Says which limits are in the box."""

    @on("GetChargingProfiles")
    def on_get_profiles(
        self, request_id: int, charging_profile: dict[str, Any], **payload: Any
    ) -> object:
        """GetChargingProfilesRequest; the report follows, one part for each profile."""
        evse_id = payload.get("evse_id")
        fitting = [
            profile
            for profile in self.station.limits.stored()
            if _fits(profile, evse_id, charging_profile)
        ]
        for number, profile in enumerate(fitting, start=1):
            part = {
                "request_id": request_id,
                "charging_limit_source": _source(profile),
                "charging_profile": [self._held(profile)],
                "evse_id": profile.evse_id,
                "tbc": number < len(fitting),
            }
            self.station.outbox.append(Told("ReportChargingProfiles", part))
        return self.results.GetChargingProfiles(status="Accepted" if fitting else "NoProfiles")

    def _held(self, profile: Profile) -> dict[str, Any]:
        schedule: dict[str, Any] = {
            "id": 1,
            "charging_rate_unit": "W",
            "charging_schedule_period": [
                {"start_period": int(each.start_s), "limit": each.limit_w}
                for each in profile.periods
            ],
        }
        if profile.start_at is not None:
            schedule["start_schedule"] = self.stamp(profile.start_at)
        if profile.duration_s is not None:
            schedule["duration"] = int(profile.duration_s)
        held: dict[str, Any] = {
            "id": profile.id,
            "stack_level": profile.stack_level,
            "charging_profile_purpose": str(profile.purpose),
            "charging_profile_kind": profile.kind,
            "charging_schedule": [schedule],
        }
        optional = {
            "recurrency_kind": profile.recurrency,
            "valid_from": profile.valid_from and self.stamp(profile.valid_from),
            "valid_to": profile.valid_to and self.stamp(profile.valid_to),
            "transaction_id": profile.transaction_id,
        }
        return held | {name: value for name, value in optional.items() if value is not None}


def _source(profile: Profile) -> str:
    return "EMS" if profile.purpose is Purpose.EXTERNAL else "CSO"


def _fits(profile: Profile, evse_id: int | None, criteria: dict[str, Any]) -> bool:
    purpose = criteria.get("charging_profile_purpose")
    ids, sources = criteria.get("charging_profile_id"), criteria.get("charging_limit_source")
    return (
        (evse_id is None or profile.evse_id == evse_id)
        and (purpose is None or profile.purpose == purpose)
        and (ids is None or profile.id in ids)
        and (sources is None or _source(profile) in sources)
    )
