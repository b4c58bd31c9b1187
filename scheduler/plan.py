"""The plan: what the scheduler proposes, as frozen types and as JSON.

All power is at the grid side of the charger, in watts; all energy in watt-hours; steps are
half-open intervals counted from the start of the problem. Whether a plan obeys its problem is
judged by `scheduler.check`, not here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import msgspec

from models.errors import FieldError
from scheduler.documents import Schema, bad_input

Status = Literal["optimal", "feasible", "partial"]
"""`optimal`: within 0.5 % of the lower bound; `partial`: some booking is unserved."""

UnservedCode = Literal[
    "NO_VEHICLE", "NOT_ENOUGH_ENERGY", "LIMIT", "NO_EVSE", "FIXED_VEHICLE", "BEYOND_CAPACITY"
]
"""Why a booking is not served."""

ReasonCode = Literal[
    "DEADLINE",
    "SUN",
    "PAID",
    "PRICE",
    "BATTERY",
    "LIMIT",
    "PEAK",
    "MINIMUM",
    "READY",
    "KEEP",
    "TRADE",
    "GIVE",
    "OVERRIDE",
]
"""Why a car charges when it does; `scheduler.explaining` has a sentence for each."""

MoveReason = Literal["TURN", "ROOM", "FAST", "BACK"]
"""Why staff moves a car: it takes its turn at an EVSE, makes room for another car, visits a fast
charger (DC) from an EVSE that is none, or leaves one."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One booking and the car that serves it."""

    booking: str
    vehicle: str
    soc_at_start_wh: float


@dataclass(frozen=True, slots=True)
class Unserved:
    """One booking that no car serves, with the true reason."""

    booking: str
    code: UnservedCode
    detail: str


@dataclass(frozen=True, slots=True)
class Stay:
    """A car stands at a site, on one EVSE or (`evse` null) on none, in `[from_step, to_step)`."""

    vehicle: str
    site: str
    evse: str | None
    from_step: int
    to_step: int


@dataclass(frozen=True, slots=True)
class Move:
    """Staff moves a car at a site, to an EVSE, from one, or both (null: parked without one).

    Stays change at `from_step`; the car has to stand there at `to_step`. In between neither it nor
    the two EVSEs give or take anything.
    """

    vehicle: str
    site: str
    from_evse: str | None
    to_evse: str | None
    from_step: int
    to_step: int
    reasons: tuple[str, ...] = ()
    """Codes of `MoveReason`, as the referee sees to."""


@dataclass(frozen=True, slots=True)
class Charging:
    """A car charges at a constant power in `[from_step, to_step)`; negative power discharges."""

    vehicle: str
    evse: str
    from_step: int
    to_step: int
    power_w: float
    reasons: tuple[str, ...] = ()
    """Codes of `ReasonCode`, as the referee sees to."""


@dataclass(frozen=True, slots=True)
class SitePower:
    """What flows at one site, one value for each step.

    `grid_w` is positive on import, `battery_w` when the battery charges.
    """

    id: str
    grid_w: tuple[float, ...]
    battery_w: tuple[float, ...]
    pv_used_w: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FlexiblePower:
    """What a flexible load of the problem draws, one value for each step."""

    id: str
    power_w: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Kpis:
    """What the plan comes to, over all sites; `pv_utilisation` is null where there is no PV."""

    pv_utilisation: float | None
    energy_cost: float
    co2_g: float
    peak_import_w: float
    peak_cost: float | None = None
    """What peaks cost beyond those before; null in plans that do not say."""
    co2_cost: float | None = None
    """What CO2 counts at its price; likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One answer to one problem."""

    version: int = 1
    status: Status
    cost: float
    """Energy bought less energy sold, CO2 at its price, peaks, and moves by staff, less the
    terminal value; in the problem's currency."""
    lower_bound: float | None
    """No plan that serves as much costs less; null only in a `partial` plan."""
    solve_seconds: float
    assignments: tuple[Assignment, ...]
    unserved: tuple[Unserved, ...]
    stays: tuple[Stay, ...]
    charging: tuple[Charging, ...]
    sites: tuple[SitePower, ...]
    kpis: Kpis
    flexible: tuple[FlexiblePower, ...] = ()
    moves: tuple[Move, ...] = ()
    """What staff is to do, in order."""


def _schema() -> Schema:
    schema = Schema()
    for kind in (Assignment, Unserved, Stay, Move, Charging, SitePower, FlexiblePower, Kpis):
        schema.add(kind)
    schema.add(Plan, required=("version",))
    return schema


_SCHEMA = _schema()


def read_plan(data: bytes) -> Plan:
    """Returns the plan that JSON `data` holds.

    Raises:
        BadInput: if it is no JSON, or fields are unknown, missing or wrongly typed, each named by
            its JSON pointer.
    """
    plan = _SCHEMA.read(Plan, data, "plan")
    if plan.version != 1:
        raise bad_input("plan", [FieldError("/version", "must be 1")])
    return plan


def write_plan(plan: Plan) -> bytes:
    """Returns the plan as compact JSON; flexible loads and moves are only named where there are."""
    left_out = {name for name in ("flexible", "moves") if not getattr(plan, name)}
    names = (field.name for field in fields(plan) if field.name not in left_out)
    return msgspec.json.encode({name: getattr(plan, name) for name in names})
