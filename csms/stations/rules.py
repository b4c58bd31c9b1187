"""What stations report of themselves: how it changes what we know of them.

Pure: the states and the instant come as arguments, and a new state is the result. What goes over
the wire to a station is not here, and neither are transactions (`csms.charging.rules`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from models.answers import BootAnswer, BootStatus
from models.commands import StartCharging
from models.facts import (
    BootReported,
    CommandSent,
    CommandSettled,
    ConnectionChanged,
    ConnectorReported,
    VariableState,
)
from models.quirks import default_quirks
from models.states import COMMAND, allowed
from models.timeline import EARLIEST_PLAUSIBLE, LATEST_PLAUSIBLE

BOOT_INTERVAL_S = 300
"""How often an accepted station is to be heard, unless its record says otherwise."""
PENDING_INTERVAL_S = 10
"""How long a station that waits for approval is told to wait before it asks again."""
_STATUS: dict[str, BootStatus] = {
    "accepted": "Accepted",
    "pending": "Pending",
    "rejected": "Rejected",
}
DEFAULT_PHASE_POWER_W = 3_700.0
"""16 A at 230 V, as such chargers are sold."""
PHASES: tuple[str, ...] = ("L1", "L2", "L3")
OUT_OF_SERVICE = ("Faulted", "Unavailable")
"""Statuses of connectors that can serve nobody."""
SAFE_PROFILE_ID = 1
"""Of the limit that a box falls back to when we are away; plans number theirs from 10 on."""
PLAN_STACK_LEVEL = 1
"""Of the limits of a plan: above the safe default, which lies at level 0."""
DEFAULTS_FOR_TX = frozenset({"rejects-tx-profile", "ignores-tx-profile"})
"""Quirks of stations to which a transaction's limit is told as a default, which outlives it."""
_SECRET_VARIABLES = frozenset({"authorizationkey", "basicauthpassword"})


class StationBrief(msgspec.Struct, frozen=True):
    """What every decider must know of a station."""

    identity: str
    tenant_id: str
    site_id: str | None
    approval: str
    boot_interval_s: int
    strict: bool
    quirks: list[Any]
    tariff_id: str | None
    """Its own; None: that of its site, if it has one."""

    def has(self, quirk: str) -> bool:
        """Returns whether its record has this quirk, and quirks count for it."""
        return bool(self.quirks) and not self.strict and quirk in self.quirks


class StationState(msgspec.Struct, frozen=True):
    """What is known of a station; see `models.tables.stations.Station`."""

    identity: str
    tenant_id: str
    site_id: str | None
    approval: str
    vendor: str | None
    model: str | None
    serial_number: str | None
    firmware_version: str | None
    security_profile: int
    ocpp_versions: list[Any] | None
    strict: bool
    quirks: list[Any]
    safe_limit_w: float | None
    local_list: bool
    boot_interval_s: int
    online: bool
    ocpp_version: str | None
    last_seen: datetime | None
    booted_at: datetime | None
    epoch: int
    external_id: str | None
    custom: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    tariff_id: str | None = None
    held_by: int | None = None
    held_since: datetime | None = None


class EvseState(msgspec.Struct, frozen=True):
    """What is known of an EVSE; see `models.tables.stations.Evse`."""

    station: str
    evse_id: int
    max_power_w: float | None = None
    min_power_w: float | None = None
    current_type: str = "AC"
    phases: int = 1
    wired_to: list[Any] | None = None
    circuit_id: str | None = None


class ConnectorState(msgspec.Struct, frozen=True):
    """What is known of a connector; see `models.tables.stations.Connector`."""

    station: str
    evse_id: int
    connector_id: int
    status: str = "Unknown"
    error_code: str | None = None
    info: str | None = None
    status_at: datetime | None = None


class CommandState(msgspec.Struct, frozen=True):
    """A command and what became of it; see `models.tables.ledger.Command`."""

    id: str
    tenant_id: str
    station: str
    kind: str
    body: str
    origin: str
    state: str
    epoch: int | None
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    response: str | None
    outcome: str | None
    error_code: str | None
    detail: str | None


def remote_start(action: str, payload: Mapping[str, Any]) -> StartCharging | None:
    """Returns the remote start that a raw request of either version is; None where it is none.

    Args:
        action: of the station's OCPP version.
        payload: which is right for that version.
    """
    if action == "RemoteStartTransaction":
        return StartCharging(
            evse_id=payload.get("connectorId"), id_token=payload["idTag"], remote_start_id=0
        )
    if action == "RequestStartTransaction":
        token = payload["idToken"]
        return StartCharging(
            evse_id=payload.get("evseId"),
            id_token=token["idToken"],
            token_type=token["type"],
            remote_start_id=payload["remoteStartId"],
        )
    return None


def stranger(fact: BootReported, now: datetime) -> StationState:
    """Returns the record of a station that nobody has created: it waits for approval."""
    return StationState(
        identity=fact.station,
        tenant_id="default",
        site_id=None,
        approval="pending",
        vendor=None,
        model=None,
        serial_number=None,
        firmware_version=None,
        security_profile=0,
        ocpp_versions=None,
        strict=False,
        quirks=[],
        safe_limit_w=None,
        local_list=False,
        boot_interval_s=PENDING_INTERVAL_S,
        online=True,
        ocpp_version=None,
        last_seen=now,
        booted_at=None,
        epoch=0,
        external_id=None,
        custom={},
        version=1,
        created_at=now,
        updated_at=now,
    )


def booted(station: StationState, fact: BootReported, now: datetime) -> StationState:
    """Returns what is known of a station after its Boot.

    One that was not known for a station of this vendor and model gets the quirks of its kind on its
    record, once: what an operator takes off it stays off.
    """
    quirks = station.quirks
    if station.booted_at is None or (station.vendor, station.model) != (fact.vendor, fact.model):
        quirks = sorted({*quirks, *default_quirks(fact.vendor, fact.model)})
    return msgspec.structs.replace(
        station,
        quirks=quirks,
        vendor=fact.vendor,
        model=fact.model,
        serial_number=fact.serial_number or station.serial_number,
        firmware_version=fact.firmware_version or station.firmware_version,
        booted_at=now if station.approval == "accepted" else station.booted_at,
        last_seen=now,
        updated_at=now,
    )


def boot_answer(station: StationState, now: datetime) -> BootAnswer:
    """Returns what a station is told at its Boot: may it work, and how often to be heard."""
    status = _STATUS[station.approval]
    return BootAnswer(status, station.boot_interval_s, now, tuple(station.quirks))


def connection_changed(
    station: StationState, fact: ConnectionChanged, now: datetime
) -> StationState | None:
    """Returns what is known of a station that has come or gone; None for news of an old socket.

    Services number the connections of a station each for itself, and one of them may tell late. So
    among the connections to several services the one that began last counts, and that a station has
    gone only from the one that holds it, under whatever number. When it was last heard says nothing
    of this: whoever hears it moves that on, be it before its connection is told.
    """
    mine = station.held_by in (fact.held_by, *fact.formerly)
    is_old = fact.epoch < station.epoch if mine else not fact.online or _is_older(fact, station)
    if is_old:
        return None
    heard_at = fact.received_at if station.last_seen is None else station.last_seen
    return msgspec.structs.replace(
        station,
        online=fact.online,
        epoch=fact.epoch,
        held_by=fact.held_by if fact.online else None,
        held_since=fact.received_at if fact.online else None,
        ocpp_version=fact.subprotocol or station.ocpp_version,
        last_seen=max(heard_at, fact.received_at),
        updated_at=now,
    )


def _is_older(fact: ConnectionChanged, station: StationState) -> bool:
    """Returns whether a connection began before the one that another service has told of."""
    if station.held_by is None or station.held_since is None:
        return False
    return fact.received_at < station.held_since


def plan_profile_id(evse_id: int) -> int:
    """Returns the id of the charging profile by which plans limit an EVSE."""
    return evse_id * 10 + PLAN_STACK_LEVEL


def is_our_limit(source: str, purpose: str, evse_id: int, profile_id: int) -> bool:
    """Returns whether a limit in a box is one of those that this house puts there by itself."""
    if source != "CSO":
        return False
    if purpose == "default":
        return profile_id == SAFE_PROFILE_ID
    return purpose == "transaction" and profile_id == plan_profile_id(evse_id)


def rated_power_w(max_power_w: float | None, phases: int) -> float:
    """Returns what an EVSE gives at most, in W: what is known of it, else 16 A on its phases."""
    return DEFAULT_PHASE_POWER_W * phases if max_power_w is None else max_power_w


def phases_of(phases: int, wired_to: Sequence[str] | None) -> tuple[str, ...]:
    """Returns the phases of an EVSE in its own order; where nobody has said, from L1 on."""
    return tuple(wired_to) if wired_to else PHASES[:phases]


def phase_loads_w(
    power_w: float, rated_w: float, phases: Sequence[str], *, is_dc: bool
) -> dict[str, float]:
    """Returns the most that may flow on each phase while an EVSE gives no more than `power_w`.

    A car that charges on one phase loads the first one alone, one on two the first two: each of
    them may be any car's. With DC all are loaded alike.

    Args:
        power_w: of all phases together.
        rated_w: what the EVSE can give, which it can only on all its phases.
        phases: of the EVSE, in its own order.
        is_dc: whether it gives DC.
    """
    count = len(phases)
    if is_dc:
        return dict.fromkeys(phases, power_w / count)
    return {
        phase: min(power_w / place, rated_w / count) for place, phase in enumerate(phases, start=1)
    }


def kept_from(kept: Sequence[tuple[int | None, bool]], evse_id: int | None, evses: int) -> bool:
    """Returns whether a token is to be kept from an EVSE by what others have reserved.

    Args:
        kept: of each reservation of the station its EVSE (None: whichever), and whether the token
            may use it.
        evse_id: where the token wants to charge; None: wherever there is room.
        evses: how many the station has; 0: not known.
    """
    if any(mine and evse_id in (None, place) for place, mine in kept):
        return False
    if any(not mine and place == evse_id for place, mine in kept if place is not None):
        return True
    if any(mine and place is None for place, mine in kept):
        return False
    others = sum(not mine for _, mine in kept)
    return others >= max(1, evses)


def status_time(fact: ConnectorReported) -> datetime:
    """Returns when a status came about: by the station's clock, or ours where its has failed."""
    plausible = EARLIEST_PLAUSIBLE <= fact.measured_at < LATEST_PLAUSIBLE
    return fact.measured_at if plausible else fact.received_at


def connector_reported(
    connector: ConnectorState | None, fact: ConnectorReported
) -> ConnectorState | None:
    """Returns a connector's new state, or None for news that is older than what is known.

    The newest by time wins: queued reports may come after fresh ones.
    """
    at = status_time(fact)
    if connector is not None and connector.status_at is not None and at < connector.status_at:
        return None
    state = ConnectorState(
        station=fact.station,
        evse_id=fact.evse_id,
        connector_id=fact.connector_id,
        status=fact.status,
        error_code=fact.error_code,
        info=fact.info,
        status_at=at,
    )
    return None if state == connector else state


def command_sent(command: CommandState, fact: CommandSent) -> CommandState | None:
    """Returns a command that is on the wire now; None where that can't be."""
    if not allowed(COMMAND, command.state, "sent"):
        return None
    return msgspec.structs.replace(
        command, state="sent", epoch=fact.epoch, sent_at=fact.received_at
    )


def command_settled(command: CommandState, fact: CommandSettled) -> CommandState | None:
    """Returns a command with its fate; None where its fate was known already."""
    if command.state == fact.state or not allowed(COMMAND, command.state, fact.state):
        return None
    return msgspec.structs.replace(
        command,
        state=fact.state,
        settled_at=fact.received_at,
        response=fact.response,
        outcome=fact.outcome,
        error_code=fact.error_code,
        detail=fact.detail,
    )


def command_lost(command: CommandState, epoch: int, now: datetime) -> CommandState | None:
    """Returns a command whose answer can't come any more: its connection is gone.

    Args:
        command: as it is known.
        epoch: of the connection that stands now.
        now: by our clock.
    """
    if command.state != "sent" or (command.epoch is not None and command.epoch >= epoch):
        return None
    return msgspec.structs.replace(
        command, state="unknown", settled_at=now, detail="the connection was lost"
    )


def component_name(variable: VariableState) -> str:
    """Returns how a component is named in the table: `Name[instance]@evse`; empty for 1.6."""
    if variable.component is None:
        return ""
    name = variable.component
    if variable.component_instance is not None:
        name += f"[{variable.component_instance}]"
    if variable.evse_id is not None:
        name += f"@{variable.evse_id}"
        if variable.connector_id is not None:
            name += f".{variable.connector_id}"
    return name


def variable_name(variable: VariableState) -> str:
    """Returns how a variable is named in the table: `Name[instance]`."""
    return variable.name if variable.instance is None else f"{variable.name}[{variable.instance}]"


def shown_value(variable: VariableState) -> str | None:
    """Returns a variable's value for keeping; passwords are not kept, even where one is sent."""
    return None if variable.name.lower() in _SECRET_VARIABLES else variable.value
