"""Each rule of planning, switched off in what the solver sees, is caught by the referee.

A row is a small problem in which one rule binds. The solver plans it with that rule loosened (in
the problem that it is given, or in its own code), and the referee judges the plan by the true
problem. `translate` puts a plan of a loosened problem into the names of the true one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import scheduler.check
from scheduler.check import check
from scheduler.options import OFFLINE
from scheduler.overrides import Override
from scheduler.plan import Plan, Unserved
from scheduler.problem import Battery, Circuit, FlexibleLoad, Problem, check_problem
from scheduler.rolling import make_plan, plan_with_level
from tests.builders.problems import booking, evse, problem, site, vehicle

CHEAP = (0.3,) * 4 + (0.05,) * 2 + (0.3,) * 10
"""Whoever may charges hard in steps 4 and 5."""
DEAR = (0.1,) * 8 + (0.9,) * 8
"""Whoever may feeds back from step 8 on."""
FAR = booking(distance_km=60.0)
"""Takes 8,400 Wh and leaves 1,600: more than the car holds."""


def place(*spots: Any, **changes: Any) -> Any:
    base: dict[str, Any] = {"import_price_per_kwh": CHEAP, "export_price_per_kwh": (0.0,) * 16}
    return site(evses=spots or (evse(),), **(base | changes))


def needing(*spots: Any, car: dict[str, Any] | None = None, **changes: Any) -> Problem:
    """A car that must charge before its trip."""
    return problem(
        sites=(place(*spots, **changes),), vehicles=(vehicle(**(car or {})),), bookings=(FAR,)
    )


def giving(*spots: Any, car: dict[str, Any] | None = None, **changes: Any) -> Problem:
    """A car that gains by feeding back what it holds."""
    prices = {"import_price_per_kwh": DEAR, "export_price_per_kwh": tuple(p - 0.05 for p in DEAR)}
    return problem(
        sites=(site(evses=spots or (evse(bidirectional=True),), **(prices | changes)),),
        vehicles=(vehicle(**({"max_discharge_w": 3700.0, "soc_wh": 14_000.0} | (car or {}))),),
        bookings=(),
    )


def storing(**changes: Any) -> Problem:
    """A site battery that gains by turning energy over."""
    battery = Battery(10_000.0, 5000.0, 1000.0, 2000.0, 2000.0, 0.8)
    prices = {"import_price_per_kwh": DEAR, "export_price_per_kwh": tuple(p - 0.05 for p in DEAR)}
    return problem(
        sites=(site(battery=replace(battery, **changes), **prices),), vehicles=(), bookings=()
    )


def with_site(case: Problem, **changes: Any) -> Problem:
    return replace(case, sites=(replace(case.sites[0], **changes), *case.sites[1:]))


def with_evse(case: Problem, **changes: Any) -> Problem:
    spots = case.sites[0].evses
    return with_site(case, evses=(replace(spots[0], **changes), *spots[1:]))


def with_car(case: Problem, **changes: Any) -> Problem:
    return replace(case, vehicles=(replace(case.vehicles[0], **changes), *case.vehicles[1:]))


def with_trip(case: Problem, number: int = 0, **changes: Any) -> Problem:
    trips = list(case.bookings)
    trips[number] = replace(trips[number], **changes)
    return replace(case, bookings=tuple(trips))


def with_battery(case: Problem, **changes: Any) -> Problem:
    battery = case.sites[0].battery
    assert battery is not None
    return with_site(case, battery=replace(battery, **changes))


def as_is(plan: Plan) -> Plan:
    return plan


@dataclass(frozen=True)
class Row:
    """One rule: where it binds, how it is switched off, and how the referee calls its breach."""

    name: str
    rule: str
    true: Problem
    loosened: Problem
    off: tuple[str, Any] | None = None
    """A function of the solver, and what takes its place."""
    translate: Callable[[Plan], Plan] = as_is


def loose(
    name: str,
    rule: str,
    true: Problem,
    change: Callable[..., Problem],
    translate: Callable[[Plan], Plan] = as_is,
    **changes: Any,
) -> Row:
    return Row(name, rule, true, change(true, **changes), translate=translate)


def off(name: str, rule: str, true: Problem, function: str, instead: Any) -> Row:
    return Row(name, rule, true, true, off=(function, instead))


def wired(**changes: Any) -> Problem:
    """A car of one phase that must charge, at an EVSE of three."""
    case = needing(
        evse(circuit="main", max_power_w=11_000.0, phases=("L1", "L2", "L3")),
        car={"ac_phases": 1},
        **({"circuits": (Circuit("main", None, 40_000.0),)} | changes),
    )
    return with_trip(case, distance_km=55.0)


def heating(**changes: Any) -> Problem:
    """A boiler that gains by heating while energy is cheap."""
    boiler = FlexibleLoad("boiler", 2000.0, 3000.0, 1500.0, (500.0,) * 16)
    return with_boiler(
        problem(sites=(place(flexible_loads=(boiler,)),), vehicles=(), bookings=()), **changes
    )


def with_boiler(case: Problem, **changes: Any) -> Problem:
    (boiler,) = case.sites[0].flexible_loads
    return with_site(case, flexible_loads=(replace(boiler, **changes),))


# Cases with more than one thing in them

CIRCUITS = (Circuit("main", None, 2000.0), Circuit("row", "main", 9000.0))
SUNNY = problem(
    sites=(
        place(pv_power_w=(5000.0,) * 16, export_limit_w=1000.0, export_price_per_kwh=(0.1,) * 16),
    ),
    bookings=(),
)
TWO_TRIPS = problem(
    bookings=(booking("b-1", start_step=4, end_step=7), booking("b-2", start_step=8, end_step=12)),
    turnaround_steps=2,
)
BOTH_WAYS = problem(
    sites=(site(), site("B")),
    bookings=(
        booking("b-1", start_step=4, end_step=7, dropoff_site="B"),
        booking("b-2", start_step=8, end_step=12),
    ),
)
RIVALS = problem(
    sites=(place(evse()),),
    vehicles=(vehicle("car-1", soc_wh=2000.0), vehicle("car-2", soc_wh=2000.0)),
    bookings=(booking("b-1", distance_km=25.0), booking("b-2", distance_km=25.0)),
)
LATE = with_evse(
    problem(
        sites=(place(evse()),),
        vehicles=(vehicle(available_from=2, soc_wh=2000.0),),
        bookings=(booking(distance_km=20.0, start_step=12, end_step=14),),
    ),
    unavailable=((1, 5),),
)
HALVES = problem(
    sites=(
        place(
            evse("A-1", unavailable=((5, 16),)),
            evse("A-2", unavailable=((0, 5),)),
            import_price_per_kwh=(0.1,) * 16,
        ),
    ),
    vehicles=(vehicle(soc_wh=2000.0),),
    bookings=(booking(distance_km=60.0, start_step=12, end_step=14),),
)


def from_half_to_half(plan: Plan) -> Plan:
    """One EVSE for the whole day becomes one in the morning and one afterwards."""
    stays = [
        replace(
            stay, evse=name, from_step=max(stay.from_step, low), to_step=min(stay.to_step, high)
        )
        for stay in plan.stays
        for name, low, high in ((("A-1", 0, 5), ("A-2", 5, 16)) if stay.evse else ((None, 0, 16),))
    ]
    charging = [
        replace(
            entry,
            evse=name,
            from_step=max(entry.from_step, low),
            to_step=min(entry.to_step, high),
        )
        for entry in plan.charging
        for name, low, high in (("A-1", 0, 5), ("A-2", 5, 16))
    ]
    return replace(
        plan,
        stays=tuple(stay for stay in stays if stay.from_step < stay.to_step),
        charging=tuple(entry for entry in charging if entry.from_step < entry.to_step),
    )


def twice_the_same(plan: Plan) -> Plan:
    """Two bookings become one that two cars serve."""
    renamed = tuple(replace(each, booking="b-1") for each in plan.assignments)
    return replace(plan, assignments=renamed)


def no_vehicle(_view: object, trip: Any, *_: object) -> Unserved:
    return Unserved(trip.id, "NO_VEHICLE", "")


def nobody_holds_it(*_: object) -> list[int]:
    return []


TURNS = replace(
    needing(evse("A-1"), move_price=0.2, move_windows=((2, 14),)),
    vehicles=(vehicle(soc_wh=2000.0), vehicle("car-2", soc_wh=2000.0)),
    bookings=tuple(
        booking(name, start_step=14, end_step=20, distance_km=30.0) for name in ("b-1", "b-2")
    ),
)
"""Two cars that need the one EVSE, in turn."""


ROWS = [
    # Cars and trips
    loose("class", "booking-class", with_trip(problem(), classes=("van",)), with_trip,
          classes=("city",)),
    loose("fixed vehicle", "booking-vehicle",
          replace(problem(), vehicles=(vehicle(), vehicle("car-2", available_from=9)),
                  bookings=(booking(vehicle="car-2"),)), with_trip, vehicle=None),
    Row("once", "booking-once",
        replace(problem(), vehicles=(vehicle(), vehicle("car-2"))),
        replace(problem(), vehicles=(vehicle(), vehicle("car-2")),
                bookings=(booking("b-1"), booking("b-2"))), translate=twice_the_same),
    loose("available from", "vehicle-available", with_car(problem(), available_from=8), with_car,
          available_from=0),
    loose("one trip at a time", "vehicle-overlap", with_trip(TWO_TRIPS, end_step=9), with_trip,
          end_step=5),
    loose("turnaround", "turnaround", TWO_TRIPS, replace, turnaround_steps=0),
    loose("place of the trip", "vehicle-place",
          replace(problem(), sites=(site(), site("B")), bookings=(booking(pickup_site="B"),)),
          with_trip, pickup_site="A"),
    loose("place of the car", "vehicle-place",
          replace(problem(), sites=(site(), site("B")), vehicles=(vehicle(site="B"),)), with_car,
          site="A"),
    loose("place after a trip", "vehicle-place", BOTH_WAYS, with_trip, dropoff_site="A"),
    loose("stands where it is", "stay-place", BOTH_WAYS, with_trip, dropoff_site="A"),
    # EVSEs
    off("one car per EVSE", "evse-exclusive", RIVALS, "scheduler.parking._Site.taken",
        nobody_holds_it),
    loose("no arrival while unavailable", "evse-unavailable", LATE, with_evse, unavailable=()),
    loose("keeps the EVSE it stands on", "stay-kept-evse",
          needing(evse("A-1", max_power_w=500.0), evse("A-2"), car={"evse": "A-1"}), with_car,
          evse=None),
    Row("one EVSE in a stay", "stay-evse", HALVES,
        with_site(HALVES, evses=(evse("A-1"),)), translate=from_half_to_half),
    # Powers
    loose("power of the EVSE", "charging-power", needing(evse(max_power_w=2000.0)), with_evse,
          max_power_w=7400.0),
    loose("AC power of the car", "charging-power", needing(car={"max_ac_power_w": 2000.0}),
          with_car, max_ac_power_w=7400.0),
    loose("DC power of the car", "charging-power",
          needing(evse(current_type="DC", max_power_w=50_000.0), car={"max_dc_power_w": 2000.0}),
          with_car, max_dc_power_w=45_000.0),
    loose("least power in the first hour", "charging-minimum",
          with_trip(needing(evse(min_power_w=4140.0)), start_step=4, distance_km=50.0), with_evse,
          min_power_w=0.0),
    loose("nothing while unavailable", "charging-unavailable",
          needing(evse(unavailable=((4, 5),)), car={"evse": "A-1"}), with_evse, unavailable=()),
    loose("one-way EVSE", "discharging-power", giving(evse()), with_evse, bidirectional=True),
    loose("one-way car", "discharging-power", giving(car={"max_discharge_w": 0.0}), with_car,
          max_discharge_w=3700.0),
    loose("power that a car gives", "discharging-power", giving(car={"max_discharge_w": 1000.0}),
          with_car, max_discharge_w=3700.0),
    loose("circuit", "circuit-limit",
          needing(evse(circuit="main"), circuits=CIRCUITS[:1]), with_site,
          circuits=(Circuit("main", None, 1e6),)),
    loose("circuit above", "circuit-limit", needing(evse(circuit="row"), circuits=CIRCUITS),
          with_site, circuits=(CIRCUITS[0], replace(CIRCUITS[1], parent=None))),
    loose("circuit of what is fed back", "circuit-limit",
          giving(evse(bidirectional=True, circuit="main"), circuits=CIRCUITS[:1]), with_site,
          circuits=(Circuit("main", None, 1e6),)),
    loose("import limit", "import-limit", needing(import_limit_w=2000.0), with_site,
          import_limit_w=1e6),
    loose("import limit with the building", "import-limit",
          needing(import_limit_w=4000.0, load_power_w=(2000.0,) * 16), with_site,
          import_limit_w=6000.0),
    loose("building beyond the limit", "overload",
          needing(import_limit_w=4000.0, load_power_w=(6000.0,) * 16), with_site,
          import_limit_w=1e6),
    loose("export limit", "export-limit", SUNNY, with_site, export_limit_w=1e6),
    loose("export limit of what is fed back", "export-limit", giving(export_limit_w=0.0), with_site,
          export_limit_w=1e6),
    loose("sun", "pv-range", SUNNY, with_site, pv_power_w=(9000.0,) * 16, export_limit_w=1e6),
    loose("balance", "grid-balance", with_site(SUNNY, load_power_w=(700.0,) * 16), with_site,
          load_power_w=(0.0,) * 16),
    loose("taper", "charging-taper",
          needing(car={"taper": ((8000.0, 3700.0), (16_000.0, 1000.0))}), with_car, taper=()),
    loose("held by somebody", "override-hold",
          needing(car={"overrides": (Override(4, 6, "hold"),)}), with_car, overrides=()),
    loose("so much at most", "override-at-most",
          needing(car={"overrides": (Override(4, 6, "at_most", 1500.0),)}), with_car,
          overrides=()),
    loose("phase of a circuit", "circuit-phase",
          wired(circuits=(Circuit("main", None, 40_000.0, phase_limits_w=(2000.0,) * 3),)),
          with_site, circuits=(Circuit("main", None, 40_000.0),)),
    loose("phase of the import", "import-phase", wired(phase_limits_w=(2000.0,) * 3), with_site,
          phase_limits_w=None),
    loose("power of a heat pump", "flexible-power", heating(), with_boiler, max_power_w=9000.0),
    loose("store of a boiler", "flexible-store", heating(store_wh=2000.0), with_boiler,
          store_wh=4000.0),
    # Energy
    loose("distance", "departure-energy", needing(car={"max_ac_power_w": 0.0}), with_trip,
          distance_km=10.0),
    loose("reserve", "departure-energy",
          with_trip(problem(vehicles=(vehicle(max_ac_power_w=0.0),)), reserve_km=50.0), with_trip,
          reserve_km=0.0),
    loose("consumption", "departure-energy", needing(car={"max_ac_power_w": 0.0}), with_car,
          consumption_wh_per_km=50.0),
    loose("least charge after a trip", "departure-energy",
          needing(car={"max_ac_power_w": 0.0, "min_soc_wh": 6000.0}), with_car, min_soc_wh=0.0,
          soc_wh=8400.0),
    loose("charge at the start", "departure-soc", needing(), with_car, soc_wh=12_000.0),
    loose("losses of charging", "departure-soc", needing(car={"charge_efficiency": 0.5}), with_car,
          charge_efficiency=1.0),
    loose("least charge", "soc-minimum", giving(car={"min_soc_wh": 12_000.0}), with_car,
          min_soc_wh=0.0),
    loose("most charge", "soc-maximum",
          replace(needing(car={"max_soc_wh": 9000.0}), terminal_value_per_kwh=0.6, bookings=()),
          with_car, max_soc_wh=16_000.0),
    # Site batteries
    loose("a battery's charging", "battery-power", storing(), with_battery, max_charge_w=9000.0),
    loose("a battery's giving", "battery-power", storing(), with_battery, max_discharge_w=9000.0),
    loose("a battery's most", "soc-maximum", storing(capacity_wh=6000.0, max_discharge_w=9000.0),
          with_battery,
          capacity_wh=20_000.0),
    loose("a battery's least", "soc-minimum", storing(min_soc_wh=4000.0), with_battery,
          min_soc_wh=0.0),
    loose("a battery's losses", "soc-minimum", storing(), with_battery, efficiency=1.0),
    loose("no battery", "battery-power", with_site(storing(), battery=None), with_site,
          battery=Battery(10_000.0, 5000.0, 0.0, 2000.0, 2000.0, 0.9)),
    # What a plan says of itself
    loose("prices", "cost", needing(), with_site, import_price_per_kwh=(0.01,) * 16),
    loose("terminal value", "cost", replace(needing(), terminal_value_per_kwh=0.2), replace,
          terminal_value_per_kwh=0.0),
    # Moves by staff
    loose("nobody moves cars", "move-staff", with_site(TURNS, move_price=None), with_site,
          move_price=0.2),
    loose("hours of staff", "move-staff", with_site(TURNS, move_windows=((2, 4),)), with_site,
          move_windows=((6, 14),)),
    loose("a car not to be moved", "move-staff", with_car(TURNS, may_be_moved=False), with_car,
          may_be_moved=True),
    loose("price of a move", "cost", TURNS, with_site, move_price=0.1),
    loose("left without an EVSE", "stay-kept-evse", needing(car={"parked": True}), with_car,
          parked=False),
    off("moves are told", "move-listed", TURNS, "scheduler.result.planned_moves", lambda *_: ()),
    off("time for a move", "move-window", TURNS, "scheduler.moving._ends", lambda *_: 15),
    off("reasons of refusals", "unserved-reason", needing(car={"max_ac_power_w": 0.0}),
        "scheduler.rolling.reason", no_vehicle),
]  # fmt: skip


def planned(case: Problem) -> Plan:
    return make_plan(case, options=OFFLINE, monotonic=itertools.count().__next__)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_rule_switched_off_in_the_solver_is_caught_by_the_referee(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_problem(row.true)
    check_problem(row.loosened)
    lawful = planned(row.true)
    assert check(row.true, lawful) == ()
    # The planner asks the referee before it hands a plan out: here it is not to.
    monkeypatch.setattr("scheduler.rolling.check", lambda *_: ())
    if row.off is not None:
        monkeypatch.setattr(*row.off)
    plan = row.translate(planned(row.loosened))
    assert row.rule in {violation.rule for violation in check(row.true, plan)}


@pytest.mark.parametrize("row", [row for row in ROWS if row.off], ids=lambda row: row.name)
def test_a_planner_with_a_rule_switched_off_hands_out_no_unlawful_plan_unsaid(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert row.off is not None
    monkeypatch.setattr(*row.off)
    made = plan_with_level(row.true, options=OFFLINE, monotonic=itertools.count().__next__)
    assert made.violations == check(row.true, made.plan)
    if row.rule.startswith("move-"):
        assert not made.plan.moves  # the same solver's plan without any is lawful
    else:
        assert made.level != "solver"


FORM = {
    "unknown-booking",
    "unknown-vehicle",
    "unknown-site",
    "unknown-evse",
    "site-series",
    "flexible-series",
    "stay-order",
    "stay-gap",
    "charging-span",
    "charging-stay",
    "charging-overlap",
    "charging-reason",
    "move-reason",
    "solve-seconds",
    "lower-bound",
    "status",
    "kpi",
}
"""What is no constraint of the solver but the form of a plan: broken by hand in `test_absurd_plans`
and `test_planted_violations`."""


def test_every_rule_of_the_referee_is_switched_off_here_or_is_one_of_form() -> None:
    package = Path(scheduler.check.__file__).parent
    source = "".join(path.read_text() for path in sorted(package.glob("*.py")))
    names = set(re.findall(r'add(?:_where)?\(\s*"([a-z0-9-]+)"', source))
    names |= set(re.findall(r'"((?:soc|vehicle)-[a-z]+)"', source))
    assert names == FORM | {row.rule for row in ROWS}
