"""Decides what stations report of themselves, and what became of the commands sent to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind, placed
from csms.stations.queries import command_resource, station_resource
from csms.stations.rules import (
    CommandState,
    ConnectorState,
    EvseState,
    StationBrief,
    StationState,
    boot_answer,
    booted,
    command_lost,
    command_sent,
    command_settled,
    component_name,
    connection_changed,
    connector_reported,
    shown_value,
    stranger,
    variable_name,
)
from models.answers import EMPTY, Answer, DataAnswer, HeartbeatAnswer
from models.facts import (
    BootReported,
    CommandSent,
    CommandSettled,
    ConnectionChanged,
    ConnectorReported,
    DataReceived,
    Fact,
    HeartbeatReported,
    NoteReported,
    Quarantined,
    SecurityReported,
    StationCaughtUp,
    StationsSeen,
    VariablesReported,
)
from models.tables.base import to_micros
from models.tables.ledger import Command
from models.tables.stations import Connector, Evse, SecurityEvent, Station, StationVariable


class SecurityRow(msgspec.Struct, frozen=True):
    """Something about a station's security."""

    station: str
    type: str
    source: str
    happened_at: datetime
    received_at: datetime
    detail: str | None


class VariableRow(msgspec.Struct, frozen=True):
    """A setting as the station reported it."""

    station: str
    component: str
    variable: str
    attribute: str
    value: str | None
    mutability: str | None
    characteristics: dict[str, Any] | None
    reported_at: datetime


BRIEFS = RowKind(Station.__table__, StationBrief, key=("identity",))
"""Of every station: enough to judge what it sends."""
STATIONS = RowKind(
    Station.__table__,
    StationState,
    key=("identity",),
    mutable=(
        "vendor",
        "model",
        "serial_number",
        "firmware_version",
        "quirks",
        "booted_at",
        "online",
        "epoch",
        "held_by",
        "held_since",
        "ocpp_version",
        "last_seen",
        "updated_at",
    ),
    rising=("last_seen",),
)
EVSES = RowKind(Evse.__table__, EvseState, key=("station", "evse_id"))
CONNECTORS = RowKind(
    Connector.__table__,
    ConnectorState,
    key=("station", "evse_id", "connector_id"),
    mutable=("status", "error_code", "info", "status_at"),
)
COMMANDS = RowKind(
    Command.__table__,
    CommandState,
    key=("id",),
    mutable=(
        "state",
        "epoch",
        "sent_at",
        "settled_at",
        "response",
        "outcome",
        "error_code",
        "detail",
    ),
)
SECURITY = RowKind(
    SecurityEvent.__table__, SecurityRow, key=("id",), on_conflict="ON CONFLICT DO NOTHING"
)
_VARIABLES = RowKind(
    StationVariable.__table__,
    VariableRow,
    key=("station", "component", "variable", "attribute"),
    on_conflict=(
        "ON CONFLICT (station, component, variable, attribute) DO UPDATE SET"
        " value = excluded.value, mutability = excluded.mutability,"
        " characteristics = COALESCE(excluded.characteristics, station_variable.characteristics),"
        " reported_at = excluded.reported_at"
    ),
)
_MOVED = "stations seen"
_SEEN = (
    "UPDATE station SET last_seen = ? WHERE identity = ? AND (last_seen IS NULL OR last_seen < ?)"
)


def load_stations(batch: Batch, identities: Iterable[str]) -> None:
    """Fetches stations whole, with their EVSEs and connectors, for the events about them."""
    wanted = list(identities)
    batch.rows(STATIONS).load(wanted)
    for kind in (EVSES, CONNECTORS):
        batch.rows(cast("RowKind[Any]", kind)).find(("station",), wanted)


def emit_station(batch: Batch, event: str, station: StationState) -> None:
    """Says what became true of a station, which shows itself whole."""
    mine = station.identity
    evses = batch.rows(EVSES).group(mine)
    plugs = batch.rows(CONNECTORS).group(mine)
    evses.sort(key=lambda each: each.evse_id)
    plugs.sort(key=lambda each: (each.evse_id, each.connector_id))
    batch.emit(
        event,
        subject=f"station/{mine}",
        resource=station_resource(cast("Any", station), cast("Any", evses), cast("Any", plugs)),
        site_id=station.site_id,
        tenant=station.tenant_id,
    )


class BootDecider:
    """A station has started: remember what it is, tell it whether it may work."""

    def load(self, batch: Batch, facts: Sequence[BootReported]) -> None:
        """Fetches the stations."""
        load_stations(batch, (fact.station for fact in facts))

    def decide(self, batch: Batch, fact: BootReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Answers by the station's approval; a stranger waits for one."""
        stations = batch.rows(STATIONS)
        known = stations.get(fact.station) or stranger(fact, batch.now)
        station = booted(known, fact, batch.now)
        answer = boot_answer(station, batch.now)
        stations.put(station)
        if station.approval == "accepted":
            emit_station(batch, "station.booted", station)
        else:
            batch.keep_out_of_log()
        return answer


class ConnectionDecider:
    """A station has come or gone; what was on the wire of older connections is lost."""

    def load(self, batch: Batch, facts: Sequence[ConnectionChanged]) -> None:
        """Fetches the stations and their commands on the wire."""
        load_stations(batch, (fact.station for fact in facts))
        keys = [("sent", fact.station) for fact in facts]
        found = batch.rows(COMMANDS).find(("state", "station"), keys)
        batch.memo["sent commands"] = [command.id for command in found]

    def decide(self, batch: Batch, fact: ConnectionChanged, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps the newest connection's news."""
        stations = batch.rows(STATIONS)
        known = stations.get(fact.station)
        station = known and connection_changed(known, fact, batch.now)
        if station is None:
            return EMPTY
        stations.put(station)
        event = "station.connected" if fact.online else "station.status_changed"
        emit_station(batch, event, station)
        for command_id in batch.memo["sent commands"]:
            command = batch.rows(COMMANDS).get(command_id)
            if command is not None and command.station == fact.station:
                settle(batch, command_lost(command, fact.epoch, batch.now))
        return EMPTY


class CaughtUpDecider:
    """A station has told what it had queued: now it can be asked, and planned for."""

    def load(self, batch: Batch, facts: Sequence[StationCaughtUp]) -> None:
        """Fetches the stations."""
        load_stations(batch, (fact.station for fact in facts))

    def decide(self, batch: Batch, fact: StationCaughtUp, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Says so, unless the station has come again since."""
        station = batch.rows(STATIONS).get(fact.station)
        if station is not None and station.online and station.epoch == fact.epoch:
            emit_station(batch, "station.caught_up", station)
        return EMPTY


class ConnectorDecider:
    """A connector has a status; EVSEs and connectors come into being by being reported."""

    def load(self, batch: Batch, facts: Sequence[ConnectorReported]) -> None:
        """Fetches the stations with all that belongs to them."""
        load_stations(batch, (fact.station for fact in facts))
        batch.rows(EVSES).load((fact.station, fact.evse_id) for fact in facts)
        batch.rows(CONNECTORS).load(
            (fact.station, fact.evse_id, fact.connector_id) for fact in facts
        )

    def decide(self, batch: Batch, fact: ConnectorReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps the newest status."""
        station = batch.rows(STATIONS).get(fact.station)
        key = (fact.station, fact.evse_id, fact.connector_id)
        state = connector_reported(batch.rows(CONNECTORS).get(key), fact)
        if station is None or state is None:
            return EMPTY
        if batch.rows(EVSES).get(key[:2]) is None:
            batch.rows(EVSES).put(EvseState(fact.station, fact.evse_id))
        batch.rows(CONNECTORS).put(state)
        emit_station(batch, "station.status_changed", station)
        return EMPTY


class SeenDecider:
    """When stations were last heard, told now and then for many of them."""

    def load(self, batch: Batch, facts: Sequence[StationsSeen]) -> None:
        """Needs nothing."""

    def decide(self, batch: Batch, fact: StationsSeen, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Moves each forward, never back."""
        driver = batch.driver
        moments = [
            (to_micros(at) if driver.dialect == "sqlite" else at, identity)
            for identity, at in fact.seen
        ]
        driver.many(placed(_SEEN, driver.dialect), [(at, who, at) for at, who in moments])
        moved: list[str] = batch.memo.setdefault(_MOVED, [])
        moved += [identity for _, identity in moments]
        # Not now: the facts after this one were promised the rows that they have loaded.
        batch.at_end(_MOVED, lambda: _forget_moved(batch))
        return EMPTY


def _forget_moved(batch: Batch) -> None:
    """Drops the rows of stations whose last sight was moved below the batch."""
    for identity in batch.memo[_MOVED]:
        batch.rows(STATIONS).forget(identity)


class HeartbeatDecider:
    """A heartbeat that took the long way: answered with the time."""

    def load(self, batch: Batch, facts: Sequence[HeartbeatReported]) -> None:
        """Needs nothing."""

    def decide(self, batch: Batch, fact: HeartbeatReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Returns what time it is."""
        return HeartbeatAnswer(batch.now)


class VariablesDecider:
    """Settings as a station has them: the last report of each is kept."""

    def load(self, batch: Batch, facts: Sequence[VariablesReported]) -> None:
        """Fetches the stations."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)

    def decide(self, batch: Batch, fact: VariablesReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps each setting."""
        for variable in fact.variables:
            batch.add(
                _VARIABLES,
                VariableRow(
                    station=fact.station,
                    component=component_name(variable),
                    variable=variable_name(variable),
                    attribute=variable.attribute,
                    value=shown_value(variable),
                    mutability="ReadOnly" if variable.read_only else "ReadWrite",
                    characteristics=(
                        None if variable.max_limit is None else {"max_limit": variable.max_limit}
                    ),
                    reported_at=fact.received_at,
                ),
            )
        return EMPTY


class SecurityDecider:
    """Something about security, told by a station or seen at the door; both are kept alike."""

    def load(self, batch: Batch, facts: Sequence[SecurityReported]) -> None:
        """Needs nothing."""

    def decide(self, batch: Batch, fact: SecurityReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps it once."""
        batch.add(
            SECURITY,
            SecurityRow(
                station=fact.station,
                type=fact.kind,
                source=fact.source,
                happened_at=fact.measured_at,
                received_at=fact.received_at,
                detail=fact.tech_info,
            ),
        )
        return EMPTY


class DataDecider:
    """A message outside the specification: nobody here knows its vendor."""

    def load(self, batch: Batch, facts: Sequence[DataReceived]) -> None:
        """Needs nothing."""

    def decide(self, batch: Batch, fact: DataReceived, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """It is in the message log."""
        return DataAnswer("UnknownVendorId")


class NoteDecider:
    """A notification that wants no more than being in the message log."""

    def load(self, batch: Batch, facts: Sequence[NoteReported]) -> None:
        """Needs nothing."""

    def decide(self, batch: Batch, fact: NoteReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """It is in the message log."""
        return EMPTY


class QuarantineDecider:
    """What could not be understood but must not be lost: kept raw."""

    def load(self, batch: Batch, facts: Sequence[Quarantined]) -> None:
        """Needs nothing."""

    def decide(self, batch: Batch, fact: Quarantined, note: MessageNote | None) -> Answer:
        """Keeps it as it came."""
        if note is not None:
            note.outcome = "quarantined"
        batch.quarantine_raw(fact, fact.action, fact.raw, fact.reason)
        return EMPTY


def settle(batch: Batch, command: CommandState | None, told: CommandSettled | None = None) -> None:
    """Stores a command's fate, if there is news, and says so with what the station has told."""
    if command is None:
        return
    batch.rows(COMMANDS).put(command)
    if command.state != "sent":
        resource = command_resource(cast("Any", command))
        if told is not None and told.limits:
            resource["limits"] = told.limits
        if told is not None and told.list_version is not None:
            resource["list_version"] = told.list_version
        batch.emit(
            "command.answered" if command.state == "answered" else "command.failed",
            subject=f"command/{command.id}",
            resource=resource,
            site_id=None,
            tenant=command.tenant_id,
        )


class CommandSentDecider:
    """A command is about to leave: after this it is never sent again by itself."""

    def load(self, batch: Batch, facts: Sequence[CommandSent]) -> None:
        """Fetches the commands."""
        batch.rows(COMMANDS).load(fact.command_id for fact in facts)

    def decide(self, batch: Batch, fact: CommandSent, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Marks it."""
        command = batch.rows(COMMANDS).get(fact.command_id)
        settle(batch, command and command_sent(command, fact))
        return EMPTY


class CommandSettledDecider:
    """A station has answered a command, or will not."""

    def load(self, batch: Batch, facts: Sequence[CommandSettled]) -> None:
        """Fetches the commands."""
        batch.rows(COMMANDS).load(fact.command_id for fact in facts)

    def decide(self, batch: Batch, fact: CommandSettled, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps its fate, once."""
        command = batch.rows(COMMANDS).get(fact.command_id)
        settle(batch, command and command_settled(command, fact), fact)
        return EMPTY


def brief_of(batch: Batch, fact: Fact) -> StationBrief | None:
    """Returns what is known of the station that a fact is from; it must have been loaded."""
    return batch.rows(BRIEFS).get(fact.station)
