"""The words of OCPP 2.x about what a station keeps for tokens: list, cache and reservations."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from typing import Any

from ocpp.routing import on

from models.timeline import parse_rfc3339
from simulators.reservations import Reservation
from simulators.voice import Voice, read_instant
from simulators.whitelist import Entry


class TokenVoiceV2X(Voice):
    """Hears what 2.0.1 and 2.1 say of tokens."""

    @on("ClearCache")
    def on_clear_cache(self, **_: Any) -> object:
        """ClearCacheRequest."""
        cleared = self.station.whitelist.clear_cache()
        return self.results.ClearCache(status=yes_no(accepted=cleared))

    @on("GetLocalListVersion")
    def on_list_version(self, **_: Any) -> object:
        """GetLocalListVersionRequest."""
        return self.results.GetLocalListVersion(version_number=self.station.whitelist.version)

    @on("SendLocalList")
    def on_send_list(self, version_number: int, update_type: str, **payload: Any) -> object:
        """SendLocalListRequest."""
        said: list[dict[str, Any]] = payload.get("local_authorization_list") or []
        entries = [_entry(each["id_token"], each.get("id_token_info") or {}) for each in said]
        taken = self.station.whitelist.take(version_number, entries, full=update_type == "Full")
        return self.results.SendLocalList(status=taken)

    @on("ReserveNow")
    def on_reserve(
        self,
        id: int,  # noqa: A002 - the specification's name
        expiry_date_time: str,
        id_token: dict[str, Any],
        **payload: Any,
    ) -> object:
        """ReserveNowRequest."""
        group: dict[str, Any] = payload.get("group_id_token") or {}
        wish = Reservation(
            id,
            payload.get("evse_id"),
            str(id_token["id_token"]),
            group.get("id_token"),
            parse_rfc3339(expiry_date_time),
        )
        whichever = self.station.variables.is_on("ReserveConnectorZeroSupported")
        kept = self.station.reservations.keep(wish, self.now(), whichever=whichever)
        return self.results.ReserveNow(status=kept)

    @on("CancelReservation")
    def on_cancel_reservation(self, reservation_id: int, **_: Any) -> object:
        """CancelReservationRequest."""
        known = self.station.reservations.cancel(reservation_id, self.now())
        return self.results.CancelReservation(status=yes_no(accepted=known))


def yes_no(*, accepted: bool) -> str:
    """Returns the status that most answers have."""
    return "Accepted" if accepted else "Rejected"


def _entry(token: dict[str, Any], info: dict[str, Any]) -> Entry:
    group: dict[str, Any] = info.get("group_id_token") or {}
    return Entry(
        str(token["id_token"]),
        info.get("status"),
        read_instant(info.get("cache_expiry_date_time")),
        group.get("id_token"),
        str(token["type"]),
    )
