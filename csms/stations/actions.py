"""Changes of station records, and orders to stations.

The safe limits of all stations on a circuit must fit on it together, because they are what the
boxes fall back to when we are away; that is checked here on every change that could break it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from csms.access.queries import find_token
from csms.access.rules import is_family
from csms.keyring import Keyring
from csms.ledger.work import UnitOfWork
from csms.stations.queries import SafeLoad, safe_loads, show_station
from csms.stations.rules import (
    BOOT_INTERVAL_S,
    PENDING_INTERVAL_S,
    PHASES,
    kept_from,
    phase_loads_w,
    phases_of,
    rated_power_w,
    remote_start,
)
from csms.web.problem import CallError, bad_field
from csms.web.rows import (
    add_row,
    change_row,
    check_reference,
    check_references,
    referring,
    remove_row,
)
from csms.web.services import CommandOutcome, StationGateway
from models.errors import Conflict, FieldError, NoAnswer
from models.states import RESERVATION_OPEN
from models.tables.billing import Tariff
from models.tables.charging import Transaction
from models.tables.energy import Circuit, Site
from models.tables.ledger import FormerStation, Message
from models.tables.reservations import Reservation
from models.tables.security import StationCertificate
from models.tables.stations import Connector, Evse, Station, StationVariable

COMMAND_TIMEOUT_S = 30.0
"""Wire time that a REST caller waits for a station."""


async def create_station(
    work: UnitOfWork, values: Mapping[str, Any], evses: Sequence[Mapping[str, Any]], seal: str
) -> Station:
    """Adds an accepted station.

    Args:
        work: the unit of work.
        values: columns of the station.
        evses: its EVSEs with their connectors; more are found when it reports.
        seal: of its password, from the keyring; what is stored.

    Raises:
        BadInput: for a site, tariff or circuit that is not there.
        Conflict: `already-exists`, `safe-limit`.
    """
    await check_reference(work, Site, values["site_id"], "/site_id")
    await check_reference(work, Tariff, values["tariff_id"], "/tariff_id")
    row = Station(
        tenant_id=work.tenant,
        approval="accepted",
        password_hash=seal,
        online=False,
        epoch=0,
        version=1,
        created_at=work.now,
        updated_at=work.now,
        **values,
    )
    await add_row(work, row, row.identity)
    await _set_evses(work, row, evses)
    await _check_my_safe_limit(work.session, values["site_id"])
    await announce_station(work, "station.created", row)
    return row


async def change_station(
    work: UnitOfWork,
    row: Station,
    values: Mapping[str, Any],
    evses: Sequence[Mapping[str, Any]],
    *,
    remove_evses: bool = False,
) -> None:
    """Changes a station's record; arguments and errors as in `create_station`.

    Raises:
        Conflict: `evse-left-out` where EVSEs would go, unless `remove_evses`.
    """
    await check_reference(work, Site, values["site_id"], "/site_id")
    await check_reference(work, Tariff, values["tariff_id"], "/tariff_id")
    before = row.site_id
    change_row(work, row, values)
    await _set_evses(work, row, evses, remove=remove_evses)
    await _check_my_safe_limit(work.session, row.site_id)
    await announce_station(work, "station.updated", row)
    for site_id in sorted({site for site in (before, row.site_id) if site is not None}):
        work.request_plan(site_id, "station changed")


async def accept_station(work: UnitOfWork, row: Station, *, site_id: str, seal: str) -> None:
    """Lets a pending station in, with a new password and at least security profile 1.

    Raises:
        BadInput: if the site is not there.
        Conflict: if the station is accepted already.
    """
    if row.approval == "accepted":
        raise Conflict("the station is accepted already", code="already-accepted")
    await check_reference(work, Site, site_id, "/site_id")
    values: dict[str, Any] = {"approval": "accepted", "site_id": site_id, "password_hash": seal}
    if row.boot_interval_s == PENDING_INTERVAL_S:
        values["boot_interval_s"] = BOOT_INTERVAL_S
    change_row(work, row, {**values, "security_profile": max(1, row.security_profile)})
    # What a stranger has told is not what the box tells that comes by the new password.
    told = StationVariable.station == row.identity
    await work.session.execute(sa.delete(StationVariable).where(told))
    await announce_station(work, "station.approved", row)
    work.request_plan(site_id, "station approved")


async def reject_station(work: UnitOfWork, row: Station) -> None:
    """Turns a pending station away: its Boot is answered Rejected.

    Raises:
        Conflict: if the station is accepted already.
    """
    if row.approval == "accepted":
        raise Conflict("the station is accepted already; delete it", code="already-accepted")
    change_row(work, row, {"approval": "rejected"})
    await announce_station(work, "station.rejected", row)


async def delete_station(work: UnitOfWork, row: Station) -> None:
    """Removes a station with its EVSEs and variables; its transactions are kept.

    Raises:
        Conflict: `still-referenced` while a transaction on it is open.
    """
    open_ones = (Transaction.station == row.identity, Transaction.stopped_at.is_(None))
    found = await referring(work.session, "transaction", Transaction.id, *open_ones)
    check_references("this station", found)
    shown = await show_station(work.session, row)
    site_id = row.site_id
    # Whoever takes the name anew must not be met by the old box.
    of_it = StationCertificate.station == row.identity
    await work.session.execute(
        sa.update(StationCertificate)
        .where(of_it, StationCertificate.revoked_at.is_(None))
        .values(revoked_at=work.now, updated_at=work.now)
    )
    newest = await work.session.scalar(sa.select(sa.func.max(Message.id))) or 0
    former = FormerStation(identity=row.identity, last_message=newest, tenant_id=work.tenant)
    await work.session.merge(former)
    await remove_row(work, row)
    work.emit("station.deleted", subject=f"station/{row.identity}", resource=shown, site_id=site_id)
    if site_id is not None:
        work.request_plan(site_id, "station deleted")


async def announce_station(work: UnitOfWork, event: str, row: Station) -> None:
    """Says what became true of a station, with the whole station."""
    shown = await show_station(work.session, row)
    subject = f"station/{row.identity}"
    work.emit(event, subject=subject, resource=shown, site_id=row.site_id)


async def sealed_password(keyring: Keyring, identity: str, chosen: str | None) -> tuple[str, str]:
    """Returns a station's password and its seal: the chosen one, or a new one.

    Raises:
        BadInput: if the chosen one is not what stations can hold.
    """
    if chosen is not None:
        return chosen, await keyring.seal_chosen(identity, chosen)
    password = keyring.new_password()
    return password, keyring.seal_generated(identity, password)


async def _check_my_safe_limit(session: AsyncSession, site_id: str | None) -> None:
    if site_id is not None:
        await check_safe_limits(session, site_id, field_of=lambda _circuit, _name: "/safe_limit_w")


async def check_safe_limits(
    session: AsyncSession, site_id: str, *, field_of: Callable[[str, str], str]
) -> None:
    """Checks that the safe limits under each circuit fit on it.

    For each circuit: sum over the stations on it and below it of `safe_limit_w`, plus
    `unmanaged_load_w` of it and of those below it, in W, is at most its `limit_w`. So it is on each
    phase that has a limit, on which a station loads what any car may make it load.

    Args:
        session: in which the change has been made already.
        site_id: whose circuits.
        field_of: the JSON pointer of the caller's field that is to blame, by the circuit's id and
            the name of its limit.

    Raises:
        Conflict: `safe-limit`, naming the first circuit that would trip, and the field.
    """
    circuits, loads = await safe_loads(session, site_id)
    too_much = overloaded_circuit(circuits, loads)
    if too_much is not None:
        circuit, load_w = too_much
        detail = (
            f"circuit {circuit.id} holds {circuit.limit_w:.0f} W, but the safe limits of its"
            f" stations and its other load come to {load_w:.0f} W"
        )
        wrong = FieldError(field_of(circuit.id, "limit_w"), detail)
        raise Conflict(detail, code="safe-limit", errors=[wrong])
    on_phase = overloaded_phase(circuits, loads)
    if on_phase is not None:
        circuit, phase, load_w = on_phase
        detail = (
            f"{phase} of circuit {circuit.id} holds less than the {load_w:.0f} W that the safe"
            " limits of its stations and its other load may come to"
        )
        wrong = FieldError(field_of(circuit.id, "phase_limits_w"), detail)
        raise Conflict(detail, code="safe-limit", errors=[wrong])


def overloaded_circuit(
    circuits: Sequence[Circuit], loads: Iterable[SafeLoad]
) -> tuple[Circuit, float] | None:
    """Returns the first circuit whose safe loads do not fit on it, and their sum in W."""
    parents = {circuit.id: circuit.parent for circuit in circuits}
    total_w = {circuit.id: 0.0 for circuit in circuits}
    for circuit in circuits:
        for above in _upwards(circuit.id, parents):
            total_w[above] += circuit.unmanaged_load_w
    for load in loads:
        places = {evse.circuit_id for evse in load.evses}
        for above in {each for place in places for each in _upwards(place, parents)}:
            total_w[above] += load.safe_limit_w
    for circuit in circuits:
        if total_w[circuit.id] > circuit.limit_w + 0.5:
            return circuit, total_w[circuit.id]
    return None


def overloaded_phase(
    circuits: Sequence[Circuit], loads: Iterable[SafeLoad]
) -> tuple[Circuit, str, float] | None:
    """Returns the first circuit and phase whose safe loads do not fit on it, and their sum in W."""
    parents = {circuit.id: circuit.parent for circuit in circuits}
    total_w = {circuit.id: dict.fromkeys(PHASES, 0.0) for circuit in circuits}
    for circuit in circuits:
        for above in _upwards(circuit.id, parents):
            for phase in PHASES:
                total_w[above][phase] += circuit.unmanaged_load_w / len(PHASES)
    for load in loads:
        for evse in load.evses:
            on_phases = phase_loads_w(
                load.safe_limit_w / max(1, load.outlets),
                rated_power_w(evse.max_power_w, evse.phases),
                phases_of(evse.phases, evse.wired_to),
                is_dc=evse.current_type == "DC",
            )
            for above in _upwards(evse.circuit_id, parents):
                for phase, power_w in on_phases.items():
                    total_w[above][phase] += power_w
    for circuit in circuits:
        limits_w = circuit.phase_limits_w or ()
        for phase, limit_w in zip(PHASES, limits_w, strict=False):
            if total_w[circuit.id][phase] > limit_w + 0.5:
                return circuit, phase, total_w[circuit.id][phase]
    return None


def split_circuits(circuits: Sequence[Circuit]) -> set[str]:
    """Returns the circuits on which a phase has a limit, there or further up."""
    parents = {circuit.id: circuit.parent for circuit in circuits}
    limited = {circuit.id for circuit in circuits if circuit.phase_limits_w is not None}
    return {each for each in parents if not limited.isdisjoint(_upwards(each, parents))}


def _upwards(circuit: str | None, parents: Mapping[str, str | None]) -> list[str]:
    path: list[str] = []
    while circuit is not None and circuit in parents and circuit not in path:
        path.append(circuit)
        circuit = parents[circuit]
    return path


def outcome_of(settled: CommandOutcome) -> dict[str, Any]:
    """Returns the answer to a caller who waited for a command.

    Raises:
        CallError: if the station refused with an error of its own.
        NoAnswer: if it said nothing in time; whether it acted is not known.
    """
    if settled.state == "answered":
        response = settled.response or "{}"
        return {"status": "answered", "response": msgspec.Raw(response.encode())}
    if settled.state == "failed" and settled.error_code is not None:
        raise CallError(settled.error_code, settled.detail or "")
    raise NoAnswer(settled.detail or f"the station did not answer; the command is {settled.state}")


def check_connected(gateway: StationGateway, identity: str) -> None:
    """Lets a command pass if its station is connected, and one of ours.

    Raises:
        Conflict: `station-pending`, `station-offline`.
    """
    if gateway.online(identity):
        return
    if gateway.waiting(identity):
        raise Conflict(f"the station {identity} waits for approval", code="station-pending")
    raise Conflict(f"the station {identity} is not connected", code="station-offline")


def check_reach(
    gateway: StationGateway, identity: str, action: str, payload: Mapping[str, Any]
) -> None:
    """Lets a request pass if its station is connected, and may be sent it before it is accepted.

    Args:
        gateway: the station door.
        identity: of the station.
        action: of its OCPP version.
        payload: which is right for that version.

    Raises:
        Conflict: `station-pending` with what may be sent, `station-offline`.
    """
    if not gateway.waiting(identity):
        check_connected(gateway, identity)
        return
    why = gateway.refusal_while_waiting(identity, action, payload)
    if why is not None:
        raise Conflict(f"the station {identity} waits for approval: {why}", code="station-pending")


async def check_not_kept(
    session: AsyncSession, station: str, action: str, payload: Mapping[str, Any], now: datetime
) -> None:
    """Lets a command pass unless it starts a token where others have reserved.

    A station refuses the token of somebody else itself once it is presented; a remote start counts
    as our word that it may charge, so we do not give it (OCPP 1.6 section 3.13, 2.0.1 H03).

    Args:
        session: to read with.
        station: its identity.
        action: of its OCPP version.
        payload: which is right for that version.
        now: by our clock.

    Raises:
        Conflict: `evse-reserved`.
    """
    start = remote_start(action, payload)
    if start is None:
        return
    evse_id, text = start.evse_id, start.id_token
    field = "connectorId" if action == "RemoteStartTransaction" else "evseId"
    query = sa.select(Reservation).where(
        Reservation.station == station,
        Reservation.state.in_(RESERVATION_OPEN),
        Reservation.expires_at > now,
    )
    rows = list(await session.scalars(query))
    if not rows:
        return
    token = await find_token(session, text, rows[0].tenant_id)
    parent = token.parent if token is not None else None
    kept = [(row.evse_id, is_family(row.id_token, row.group_token, text, parent)) for row in rows]
    count = sa.select(sa.func.count()).where(Evse.station == station, Evse.evse_id > 0)
    if kept_from(kept, evse_id, await session.scalar(count) or 0):
        place = station if evse_id is None else f"EVSE {evse_id} of {station}"
        detail = f"{place} is reserved, and not for {text}"
        raise Conflict(
            detail, code="evse-reserved", errors=[FieldError(f"/payload/{field}", detail)]
        )


async def _check_left_out(
    session: AsyncSession, identity: str, numbers: Sequence[int], *, may_go: bool
) -> None:
    """Lets EVSEs go where nobody charges, and whose going somebody has asked for.

    Raises:
        StillReferenced: where somebody charges: what flows there would be counted by nobody.
        Conflict: `evse-left-out`.
    """
    left_out = (Evse.station == identity, Evse.evse_id > 0, Evse.evse_id.not_in(numbers))
    names = list(await session.scalars(sa.select(Evse.evse_id).where(*left_out)))
    charging = await referring(
        session,
        "transaction",
        Transaction.id,
        Transaction.station == identity,
        Transaction.stopped_at.is_(None),
        Transaction.evse_id.in_(names),
    )
    wrong = [FieldError("/evses", f"EVSE {each} is missing") for each in sorted(names)]
    check_references(f"an EVSE of {identity}", charging, wrong)
    if names and not may_go:
        detail = (
            f"EVSE {', '.join(map(str, sorted(names)))} of {identity} would go, as the list takes"
            " the place of the one before: name it too, or say remove_evses=true"
        )
        raise Conflict(detail, code="evse-left-out", errors=wrong)


async def _set_evses(
    work: UnitOfWork, row: Station, evses: Sequence[Mapping[str, Any]], *, remove: bool = False
) -> None:
    """Makes these the EVSEs of a station; a connector keeps the status it has reported.

    What is left out goes, if `remove`; but EVSE 0, which is the station's own, stays.
    """
    await _check_circuits(work, row.site_id, evses)
    numbers = [values["evse_id"] for values in evses]
    await _check_left_out(work.session, row.identity, numbers, may_go=remove)
    query = sa.select(Connector).where(Connector.station == row.identity)
    known = {
        (each.evse_id, each.connector_id): each
        for each in (await work.session.execute(query)).scalars()
    }
    for values in evses:
        columns = {name: values[name] for name in values if name != "connectors"}
        await work.session.merge(Evse(station=row.identity, **columns))
    # Connectors refer to their EVSEs, and nothing else tells the session of that order.
    await work.session.flush()
    wanted: set[tuple[int, int]] = set()
    for values in evses:
        if values["connectors"] is None:
            wanted |= {place for place in known if place[0] == values["evse_id"]}
            continue
        for connector in values["connectors"]:
            place = (values["evse_id"], connector["connector_id"])
            wanted.add(place)
            if place not in known:
                name = {"evse_id": place[0], "connector_id": place[1]}
                status = connector["status"]
                work.session.add(Connector(station=row.identity, status=status, **name))
    for place, connector in known.items():
        if place not in wanted and (place[0] > 0 or 0 in numbers):
            await work.session.delete(connector)
    # The database must have forgotten the connectors before their EVSEs go.
    await work.session.flush()
    await work.session.execute(
        sa.delete(Evse).where(
            Evse.station == row.identity, Evse.evse_id > 0, Evse.evse_id.not_in(numbers)
        )
    )


async def _check_circuits(
    work: UnitOfWork, site_id: str | None, evses: Sequence[Mapping[str, Any]]
) -> None:
    query = sa.select(Circuit).where(Circuit.site_id == site_id)
    circuits = (await work.session.scalars(query)).all()
    known, split = {circuit.id for circuit in circuits}, split_circuits(circuits)
    site = None if site_id is None else await work.session.get(Site, site_id)
    whole_site = site is not None and site.phase_limits_w is not None
    for place, values in enumerate(evses):
        circuit_id = values["circuit_id"]
        if circuit_id is not None and circuit_id not in known:
            raise bad_field(f"/evses/{place}/circuit_id", f"the site has no circuit {circuit_id}")
        if values["wired_to"] is None and values["evse_id"] and (whole_site or circuit_id in split):
            raise bad_field(f"/evses/{place}/wired_to", "is needed where phases have limits")
