"""Whose car it is: by the token, the driver's trip, the plug, or the return to this site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from csms.access.intake import load_tokens, site_rules, token_of
from csms.access.rules import TokenState, is_master, judge
from csms.charging.intake.keeping import brief_of
from csms.charging.intake.kinds import TRANSACTIONS
from csms.charging.rules import TransactionState, holds_token, is_reused, token_after
from csms.fleet.intake import BOOKINGS, VEHICLES, change_vehicle, load_models, load_vehicles
from csms.fleet.rules import VehicleState, just_returned, on_trip, plugged, unplugged
from csms.ledger.batch import Batch
from csms.stations.intake import COMMANDS
from csms.stations.rules import StationBrief, remote_start
from models.answers import TokenStatus
from models.commands import RawCommand, StartCharging, decode_command
from models.facts import TransactionReported

Groups = dict[str, list[Any]]

REMOTE_START_WINDOW = timedelta(minutes=10)
"""A 1.6 start that comes so soon after our remote start of the same token is its effect."""
_OPEN = "t.stopped_at IS NULL"
_BACK = "t.plugged_evse IS NULL AND t.returned_at IS NOT NULL"
_LATEST_STARTS = (
    "t.id IN (SELECT c.id FROM command c WHERE c.kind = 'StartCharging'"
    " AND c.station = t.station ORDER BY c.created_at DESC LIMIT 5)"
)


class Candidates(msgspec.Struct):
    """What was fetched for a batch to tell whose car it is: ids and keys of rows, by what is known.

    The rows themselves are looked up when a fact is decided: facts before it may have changed them.
    """

    running: Groups = {}
    """Transactions under way, by car."""
    trips: Groups = {}
    """Bookings, by driver."""
    plugged: Groups = {}
    """Cars, by the EVSE at which they were last known."""
    returned: Groups = {}
    """Cars that have come back and are not plugged in, by site."""
    commands: Groups = {}
    """The latest remote starts, by station."""


_NONE = Candidates()


def load_candidates(batch: Batch, facts: Sequence[TransactionReported]) -> None:
    """Fetches all that may tell whose car it is, and what else runs on the same EVSE."""
    transactions, vehicles = batch.rows(TRANSACTIONS), batch.rows(VEHICLES)
    stations = [fact.station for fact in facts]
    running = transactions.find(("station",), stations, _OPEN)
    commands = batch.rows(COMMANDS).find(("station",), stations, _LATEST_STARTS)
    tokens = _load_counting_tokens(batch, facts)
    owned = [token.vehicle_id for token in tokens if token and token.vehicle_id]
    drivers = [token.driver_id for token in tokens if token and token.driver_id]
    trips = batch.rows(BOOKINGS).find(("driver_id",), drivers)
    evses = [f"{fact.station}/{fact.evse_id}" for fact in facts if fact.evse_id]
    evses += [each.evse for each in running]
    plugged_in = vehicles.find(("plugged_evse",), evses)
    open_sites = [
        site_id
        for fact, token in zip(facts, tokens, strict=True)
        if (token is None or token.vehicle_id is None)
        and (site_id := brief_of(batch, fact).site_id) is not None
    ]
    returned = vehicles.find(("at_site_id",), open_sites, _BACK)
    load_vehicles(batch, [*owned, *(trip.vehicle_id for trip in trips if trip.vehicle_id)])
    load_models(batch, [*plugged_in, *returned])
    held = transactions.find(("vehicle_id",), owned, _OPEN)
    batch.memo["candidates"] = Candidates(
        running=_by((each.vehicle_id, (each.station, each.ocpp_transaction_id)) for each in held),
        trips=_by((trip.driver_id, trip.id) for trip in trips),
        plugged=_by((each.plugged_evse, each.id) for each in plugged_in),
        returned=_by((each.at_site_id, each.id) for each in returned),
        commands=_by((command.station, command.id) for command in commands),
    )


def _by(pairs: Iterable[tuple[str | None, Any]]) -> Groups:
    groups: Groups = {}
    for name, key in pairs:
        if name is not None:
            groups.setdefault(name, []).append(key)
    return groups


def with_car(batch: Batch, state: TransactionState, brief: StationBrief) -> TransactionState:
    """Returns a transaction with its token judged and its car found, which now stands there."""
    token = None
    status: TokenStatus | None = None
    if state.id_token is not None:
        token = token_of(batch, brief.tenant_id, state.id_token)
        # A master pass is for ending what others have begun.
        master = is_master(token, site_rules(batch, brief.site_id))
        status = "Invalid" if master else judge(token, batch.now)
        if status == "Accepted" and _held_elsewhere(batch, state, token):
            status = "ConcurrentTx"
    car = None if status == "ConcurrentTx" else _find_car(batch, state, token, brief)
    vehicle = car and batch.rows(VEHICLES).peek(car)
    if vehicle and state.evse_id:
        for other in _plugged_at(batch, state.evse):
            if other.id != vehicle.id:
                change_vehicle(batch, other, unplugged(other, batch.now))
        change_vehicle(batch, vehicle, plugged(vehicle, state.evse, brief.site_id, batch.now))
    return msgspec.structs.replace(
        state,
        token_status=status,
        vehicle_id=vehicle.id if vehicle else None,
        driver_id=token.driver_id if token else None,
    )


def with_command(
    batch: Batch, state: TransactionState, fact: TransactionReported
) -> TransactionState:
    """Returns a transaction with the remote start of ours that has opened it, if one has."""
    latest = map(batch.rows(COMMANDS).get, _candidates(batch).commands.get(fact.station, ()))
    known = [command for command in latest if command is not None]
    for command in sorted(known, key=lambda each: each.created_at, reverse=True):
        if command.state not in {"sent", "answered", "unknown"}:
            continue
        if command.outcome in {"rejected", "not-supported"}:
            continue
        order = _start_of(command.body)
        if fact.remote_start_id is not None:
            match = order.remote_start_id == fact.remote_start_id
        else:
            match = (
                fact.scheme == "1.6"
                and order.evse_id in {None, fact.evse_id}
                and order.id_token.lower() == (fact.id_token or "").lower()
                and batch.now - command.created_at <= REMOTE_START_WINDOW
            )
        if match:
            return msgspec.structs.replace(state, command_id=command.id)
    return state


def _start_of(body: str) -> StartCharging:
    command = decode_command(body)
    if isinstance(command, RawCommand):
        command = remote_start(command.action, command.payload)
    assert isinstance(command, StartCharging)
    return command


def _find_car(
    batch: Batch, state: TransactionState, token: TokenState | None, brief: StationBrief
) -> str | None:
    if token is not None and token.vehicle_id is not None:
        return token.vehicle_id
    if token is not None and token.driver_id is not None:
        trips = _candidates(batch).trips.get(token.driver_id, ())
        bookings = [each for each in map(batch.rows(BOOKINGS).get, trips) if each is not None]
        car = on_trip(bookings, batch.now)
        if car is not None:
            return car
    for vehicle in _plugged_at(batch, state.evse):
        if vehicle.tenant_id == brief.tenant_id:
            return vehicle.id
    if brief.site_id is None:
        return None
    back = map(batch.rows(VEHICLES).get, _candidates(batch).returned.get(brief.site_id, ()))
    mine = [each for each in back if each is not None and each.tenant_id == brief.tenant_id]
    return just_returned(mine, batch.now)


def _plugged_at(batch: Batch, evse: str) -> list[VehicleState]:
    """Returns the cars that are thought to stand at an EVSE."""
    cars = map(batch.rows(VEHICLES).get, _candidates(batch).plugged.get(evse, ()))
    return [each for each in cars if each is not None and each.plugged_evse == evse]


def _held_elsewhere(batch: Batch, state: TransactionState, token: TokenState | None) -> bool:
    """Returns whether the car of this token is being charged somewhere else right now."""
    if token is None or token.vehicle_id is None:
        return False
    keys = _candidates(batch).running.get(token.vehicle_id, ())
    running = [each for each in map(batch.rows(TRANSACTIONS).get, keys) if each is not None]
    return any(holds_token(each, evse=state.evse, now=batch.now) for each in running)


def _candidates(batch: Batch) -> Candidates:
    return batch.memo.get("candidates", _NONE)


def _load_counting_tokens(
    batch: Batch, facts: Sequence[TransactionReported]
) -> list[TokenState | None]:
    """Fetches the token by which each fact's car is looked for; not always the one it shows."""
    counting: list[tuple[str, str | None]] = []
    for fact in facts:
        known = batch.rows(TRANSACTIONS).peek((fact.station, fact.ocpp_transaction_id))
        token = fact.id_token
        if known is not None and not is_reused(known, fact):
            token = token_after(known, fact)
        counting.append((brief_of(batch, fact).tenant_id, token))
    load_tokens(batch, [(tenant, token) for tenant, token in counting if token is not None])
    return [None if token is None else token_of(batch, tenant, token) for tenant, token in counting]
