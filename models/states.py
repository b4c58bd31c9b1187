"""Every state machine as a table: which state may follow which.

The pictures in the docs are drawn from these tables, and `allowed` is the only judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

BookingStatus = Literal[
    "confirmed", "at_risk", "active", "late", "returned", "cancelled", "no_show"
]
CommandState = Literal["queued", "sent", "answered", "failed", "unknown", "expired"]
LimitState = Literal[
    "queued", "sent", "accepted", "rejected", "obeyed", "disobeyed", "superseded", "unknown"
]
FirmwareUpdateState = Literal["requested", "unsent", "refused", "running", "installed", "failed"]
CampaignState = Literal["running", "paused", "aborted", "finished"]
CampaignStationState = Literal["waiting", "running", "done", "failed", "skipped", "missed"]
StationLogState = Literal["requested", "unsent", "refused", "uploading", "uploaded", "failed"]
PublicationState = Literal["requested", "refused", "running", "published", "failed", "withdrawn"]
InquiryState = Literal["asked", "coming", "complete", "empty", "refused", "unsupported", "failed"]
SimulationState = Literal["queued", "running", "done", "failed", "cancelled"]
StationCheckState = Literal["running", "done", "cancelled", "broken-off"]
LocalListState = Literal["pending", "synced", "failed", "unsupported"]
ReservationStatus = Literal[
    "requested", "active", "refused", "used", "cancelled", "expired", "lost"
]
OverrideEnd = Literal["over", "replaced", "withdrawn"]
"""An override ends by its time, by another in its place, or by somebody."""
MoveStatus = Literal["open", "done", "refused", "withdrawn"]
"""A move is open until staff has made or refused it, or no plan asks for it any more."""
GridLimitEnd = Literal["over", "withdrawn"]
"""A limit of the grid ends by its time, or by somebody."""
Role = Literal["admin", "operator", "fleet-manager", "driver", "viewer"]

BOOKING: Mapping[str, frozenset[str]] = {
    "confirmed": frozenset({"at_risk", "active", "cancelled", "no_show"}),
    "at_risk": frozenset({"confirmed", "active", "cancelled", "no_show"}),
    "active": frozenset({"late", "returned"}),
    "late": frozenset({"active", "returned"}),
    "returned": frozenset(),
    "cancelled": frozenset(),
    "no_show": frozenset(),
}
"""A booking: promised, perhaps in danger, on the road, perhaps late, over."""

COMMAND: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"sent", "failed", "expired"}),
    "sent": frozenset({"answered", "failed", "unknown"}),
    "unknown": frozenset({"answered", "failed", "expired"}),
    "answered": frozenset(),
    "failed": frozenset(),
    "expired": frozenset(),
}
"""A command: queued, on the wire, settled; `unknown` when the connection broke in between."""
COMMAND_SETTLED: frozenset[str] = frozenset({"answered", "failed", "unknown", "expired"})
"""Of these states, those in which nobody waits for the station's answer any more."""

LIMIT: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"sent", "superseded", "unknown"}),
    "sent": frozenset({"accepted", "rejected", "unknown", "superseded"}),
    "accepted": frozenset({"obeyed", "disobeyed", "superseded"}),
    "obeyed": frozenset({"disobeyed", "superseded"}),
    "disobeyed": frozenset({"superseded"}),
    "rejected": frozenset({"superseded"}),
    "unknown": frozenset({"accepted", "rejected", "superseded"}),
    "superseded": frozenset(),
}
"""A limit: on its way, in the box, and whether metering shows that it is kept."""


LOCAL_LIST: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"synced", "failed", "unsupported"}),
    "synced": frozenset({"pending"}),
    "failed": frozenset({"pending"}),
    "unsupported": frozenset({"pending"}),
}
"""A station's list of tokens: on its way, as it should be, refused, or nothing for this station."""

RESERVATION: Mapping[str, frozenset[str]] = {
    "requested": frozenset({"active", "refused", "used", "cancelled", "expired", "lost"}),
    "active": frozenset({"used", "cancelled", "expired", "lost"}),
    "expired": frozenset({"used"}),
    "refused": frozenset(),
    "used": frozenset(),
    "cancelled": frozenset(),
    "lost": frozenset(),
}
"""A reservation: asked for, kept by the station, over. What has expired by our clock was used if
the station tells so later: it may have been away."""
RESERVATION_OPEN: tuple[ReservationStatus, ...] = ("requested", "active")
"""Of these states, those in which an EVSE is spoken for."""

FIRMWARE_UPDATE: Mapping[str, frozenset[str]] = {
    "requested": frozenset({"unsent", "refused", "running", "installed", "failed"}),
    "running": frozenset({"installed", "failed"}),
    "unsent": frozenset(),
    "refused": frozenset(),
    "installed": frozenset(),
    "failed": frozenset(),
}
"""A firmware update: asked for, under way, over; `unsent` when the station had gone before it."""

STATION_LOG: Mapping[str, frozenset[str]] = {
    "requested": frozenset({"unsent", "refused", "uploading", "uploaded", "failed"}),
    "uploading": frozenset({"uploaded", "failed"}),
    "refused": frozenset({"uploaded"}),
    "failed": frozenset({"uploaded"}),
    "unsent": frozenset(),
    "uploaded": frozenset(),
}
"""A log of a station: asked for, on its way, here; a file may come although its station has said
that none would, as long as its address is good."""

PUBLICATION: Mapping[str, frozenset[str]] = {
    "requested": frozenset({"refused", "running", "published", "failed", "withdrawn"}),
    "running": frozenset({"published", "failed", "withdrawn"}),
    "published": frozenset({"withdrawn"}),
    "failed": frozenset({"running", "published", "withdrawn"}),
    "refused": frozenset(),
    "withdrawn": frozenset(),
}
"""Firmware that a controller is to offer: asked for, under way, there for others, taken away; it
may try again by itself after it has failed."""

INQUIRY: Mapping[str, frozenset[str]] = {
    "asked": frozenset({"coming", "complete", "empty", "refused", "unsupported", "failed"}),
    "coming": frozenset({"complete"}),
    "complete": frozenset(),
    "empty": frozenset(),
    "refused": frozenset(),
    "unsupported": frozenset(),
    "failed": frozenset({"coming", "complete"}),
}
"""A report that a station was asked for: part after part, whole, or not to be had; one that nobody
answered for may come all the same."""

STATION_CHECK: Mapping[str, frozenset[str]] = {
    "running": frozenset({"done", "cancelled", "broken-off"}),
    "done": frozenset(),
    "cancelled": frozenset(),
    "broken-off": frozenset(),
}
"""A check of a station: under way, through, stopped by somebody, or ended without a verdict."""

SIMULATION: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"running", "cancelled"}),
    "running": frozenset({"done", "failed", "cancelled"}),
    "done": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}
"""A simulation: waiting for its turn, under way, through, broken (`why` tells), or stopped by
somebody."""

CAMPAIGN: Mapping[str, frozenset[str]] = {
    "running": frozenset({"paused", "aborted", "finished"}),
    "paused": frozenset({"running", "aborted", "finished"}),
    "aborted": frozenset(),
    "finished": frozenset(),
}
"""A campaign: wave after wave, held for a while, broken off, or through."""

CAMPAIGN_STATION: Mapping[str, frozenset[str]] = {
    "waiting": frozenset({"running", "failed", "skipped", "missed"}),
    "running": frozenset({"waiting", "done", "failed", "skipped", "missed"}),
    "done": frozenset(),
    "failed": frozenset(),
    "skipped": frozenset(),
    "missed": frozenset(),
}
"""A station in a campaign: its turn to come (again, where nothing was sent), under way, over;
`skipped` where there was nothing to do, `missed` where the campaign ended before its turn, which
one that was under way may meet as well: if nothing was sent, its turn has not been."""


def allowed(machine: Mapping[str, frozenset[str]], before: str, after: str) -> bool:
    """Returns whether `after` may follow `before` (staying is always allowed)."""
    return before == after or after in machine[before]
