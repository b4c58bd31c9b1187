"""Cars as the deciders of station facts see and change them; and a plug that was pulled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from csms.access.intake import TOKENS
from csms.fleet.queries import vehicle_resource
from csms.fleet.rules import BookingState, ModelState, VehicleState, unplugged, worth_telling
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import ConnectorDecider
from csms.stations.rules import status_time
from models.answers import Answer
from models.facts import ConnectorReported
from models.tables.booking import Booking
from models.tables.fleet import Vehicle, VehicleModel

VEHICLES = RowKind(
    Vehicle.__table__,
    VehicleState,
    key=("id",),
    mutable=("at_site_id", "soc_pct", "plugged_evse", "measured_at", "source", "updated_at"),
)
MODELS = RowKind(VehicleModel.__table__, ModelState, key=("id",))
BOOKINGS = RowKind(Booking.__table__, BookingState, key=("id",))


def load_vehicles(batch: Batch, ids: Iterable[str]) -> None:
    """Fetches cars and their models."""
    vehicles = batch.rows(VEHICLES)
    wanted = list(ids)
    vehicles.load(wanted)
    load_models(batch, [each for each in map(vehicles.get, wanted) if each is not None])


def load_models(batch: Batch, vehicles: Iterable[VehicleState]) -> None:
    """Fetches the models of cars."""
    batch.rows(MODELS).load(each.model_id for each in vehicles)


def change_vehicle(batch: Batch, before: VehicleState, after: VehicleState) -> None:
    """Stores a car's new state; says so at the end of the batch, once, where it is worth it."""
    if after == before:
        return
    batch.rows(VEHICLES).put(after)
    if worth_telling(before, after):
        batch.memo.setdefault("changed vehicles", {})[after.id] = None
        batch.at_end("vehicles", lambda: _tell(batch))


def _tell(batch: Batch) -> None:
    """Emits `vehicle.state_changed` for each car that was noted, with its tokens."""
    ids: list[str] = list(batch.memo["changed vehicles"])
    tokens: dict[str, list[str]] = {each: [] for each in ids}
    for token in batch.rows(TOKENS).find(("vehicle_id",), ids):
        if token.vehicle_id is not None:
            tokens[token.vehicle_id].append(token.id_token)
    for each in ids:
        vehicle = batch.rows(VEHICLES).get(each)
        assert vehicle is not None
        batch.emit(
            "vehicle.state_changed",
            subject=f"vehicle/{vehicle.id}",
            resource=vehicle_resource(cast("Any", vehicle), sorted(tokens[each])),
            site_id=vehicle.at_site_id,
            tenant=vehicle.tenant_id,
        )


class PlugDecider:
    """A connector has a status: as the stations feature has it, and a freed one holds no car."""

    def __init__(self) -> None:
        self._connectors = ConnectorDecider()

    def load(self, batch: Batch, facts: Sequence[ConnectorReported]) -> None:
        """Fetches the connectors, and the cars that are thought to be at them."""
        self._connectors.load(batch, facts)
        free = [_evse(fact) for fact in facts if fact.status == "Available" and fact.evse_id]
        batch.memo["plugged vehicles"] = [
            each.id for each in batch.rows(VEHICLES).find(("plugged_evse",), free)
        ]

    def decide(self, batch: Batch, fact: ConnectorReported, note: MessageNote | None) -> Answer:
        """Keeps the status; unplugs a car whose cable is said to be out, unless it is newer."""
        answer = self._connectors.decide(batch, fact, note)
        if fact.status == "Available" and fact.evse_id:
            for vehicle_id in batch.memo["plugged vehicles"]:
                vehicle = batch.rows(VEHICLES).get(vehicle_id)
                assert vehicle is not None
                newer = vehicle.measured_at is not None and vehicle.measured_at > status_time(fact)
                if vehicle.plugged_evse == _evse(fact) and not newer:
                    change_vehicle(batch, vehicle, unplugged(vehicle, batch.now))
        return answer


def _evse(fact: ConnectorReported) -> str:
    return f"{fact.station}/{fact.evse_id}"
