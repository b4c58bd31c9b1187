"""The referee names each planted violation of what is said about moves by staff."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from models.errors import BadInput
from scheduler.check import check
from scheduler.options import OFFLINE
from scheduler.plan import Charging, Move, Plan, Stay, read_plan, write_plan
from scheduler.problem import Problem, check_problem, read_problem, write_problem
from scheduler.rolling import make_plan
from tests.builders.problems import booking, evse, problem, site, vehicle

CASE = problem(
    sites=(
        site(
            evses=(evse("A-1"),),
            move_price=0.2,
            move_windows=((2, 14),),
            import_price_per_kwh=(0.3,) * 6 + (0.1,) * 10,
        ),
    ),
    vehicles=(vehicle(soc_wh=2000.0), vehicle("car-2", soc_wh=2000.0)),
    bookings=tuple(
        booking(name, start_step=14, end_step=20, distance_km=30.0) for name in ("b-1", "b-2")
    ),
)
PLAN = make_plan(CASE, options=OFFLINE, monotonic=itertools.count().__next__)
FIRST, SECOND = PLAN.moves


def rules(case: Problem, plan: Plan) -> set[str]:
    return {violation.rule for violation in check(case, plan)}


def with_first(**changes: Any) -> Plan:
    return replace(PLAN, moves=(replace(FIRST, **changes), SECOND))


def test_a_plan_with_moves_is_lawful_and_keeps_them_as_json() -> None:
    assert not check(CASE, PLAN)
    assert read_plan(write_plan(PLAN)) == PLAN
    assert read_problem(write_problem(CASE)) == CASE


def test_a_car_that_stands_on_an_evse_may_be_moved_at_once_if_the_plan_says_so() -> None:
    """It takes nothing in that step, and who waits for its EVSE may come in the same."""
    case = replace(
        CASE,
        sites=(replace(CASE.sites[0], move_windows=((0, 16),)),),
        vehicles=(
            replace(CASE.vehicles[0], evse="A-1", soc_wh=CASE.vehicles[0].max_soc_wh),
            replace(CASE.vehicles[1], parked=True),
        ),
        bookings=(),
    )
    plan = make_plan(case, options=OFFLINE, monotonic=itertools.count().__next__)
    room = Move("car-1", "A", "A-1", None, 0, 1, ("ROOM",))
    turn = Move("car-2", "A", None, "A-1", 0, 1, ("TURN",))
    swapped = replace(
        plan,
        stays=tuple(
            replace(stay, evse=None if stay.vehicle == "car-1" else "A-1") for stay in plan.stays
        ),
        moves=(room, turn),
        cost=plan.cost + 0.4,
        status="feasible",
    )
    assert check(case, swapped) == ()
    for moves in ((room,), (turn,)):
        unsaid = replace(swapped, moves=moves, cost=plan.cost + 0.2)
        assert "stay-kept-evse" in rules(case, unsaid)
    nobody = replace(case, sites=(replace(case.sites[0], move_windows=((2, 16),)),))
    assert "move-staff" in rules(nobody, swapped)


@pytest.mark.parametrize(
    ("plan", "rule"),
    [
        (replace(PLAN, moves=(FIRST,)), "move-listed"),
        (replace(PLAN, moves=(FIRST, FIRST, SECOND)), "move-listed"),
        (with_first(from_step=FIRST.from_step + 1, to_step=FIRST.to_step + 1), "move-listed"),
        (with_first(to_evse="A-9"), "move-listed"),
        (with_first(vehicle="nobody"), "unknown-vehicle"),
        (with_first(site="B"), "move-listed"),
        (with_first(to_step=FIRST.from_step), "move-window"),
        (with_first(to_step=FIRST.to_step + 3), "move-window"),
        (with_first(to_step=10**6), "move-staff"),
        (with_first(reasons=("TIRED",)), "move-reason"),
    ],
)
def test_a_planted_violation_is_named(plan: Plan, rule: str) -> None:
    assert rule in rules(CASE, plan)


def test_each_reason_is_false_for_the_other_car() -> None:
    swapped = tuple(
        replace(move, reasons=("ROOM",) if move.to_evse else ("TURN",)) for move in PLAN.moves
    )
    assert rules(CASE, replace(PLAN, moves=swapped)) == {"move-reason"}


def test_a_visit_is_told_of_fast_chargers_alone() -> None:
    """Here there is none: nobody visits one, and nobody leaves one."""
    for code in ("FAST", "BACK"):
        assert rules(CASE, with_first(reasons=(code,))) == {"move-reason"}
        moves = (FIRST, replace(SECOND, reasons=(code,)))
        assert rules(CASE, replace(PLAN, moves=moves)) == {"move-reason"}


def test_a_move_that_is_not_paid_for_is_named() -> None:
    assert "cost" in rules(CASE, replace(PLAN, cost=PLAN.cost - 0.2))


def test_a_car_can_not_charge_while_it_is_moved() -> None:
    comes = next(move for move in PLAN.moves if move.to_evse)
    early = Charging(comes.vehicle, "A-1", comes.from_step, comes.from_step + 1, 3700.0)
    assert "move-window" in rules(CASE, replace(PLAN, charging=(early, *PLAN.charging)))


def test_two_cars_never_hold_one_evse_though_staff_is_there() -> None:
    stays = tuple(
        replace(stay, evse="A-1") if stay.evse is None and stay.from_step > 0 else stay
        for stay in PLAN.stays
    )
    assert "evse-exclusive" in rules(CASE, replace(PLAN, stays=stays))


def test_where_nobody_moves_cars_a_change_of_evse_is_no_lawful_stay() -> None:
    alone = replace(CASE, sites=(replace(CASE.sites[0], move_price=None),))
    assert {"stay-evse", "move-staff"} <= rules(alone, PLAN)


def test_a_car_keeps_at_first_the_evse_on_which_it_stands() -> None:
    stands = replace(CASE, vehicles=tuple(replace(c, evse="A-1") for c in CASE.vehicles[:1]))
    stays = (Stay("car-1", "A", None, 0, 16),)
    assert "stay-kept-evse" in rules(stands, replace(PLAN, stays=stays))


def test_absurd_moves_are_violations_and_no_exceptions() -> None:
    absurd = Move("car-1", "nowhere", "A-1", "A-1", -5, 10**9, ("ROOM",))
    assert "move-listed" in rules(CASE, replace(PLAN, moves=(absurd,)))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"move_price": -1.0}, "/sites/0/move_price"),
        ({"move_price": float("inf")}, "/sites/0/move_price"),
        ({"move_windows": ((4, 4),)}, "/sites/0/move_windows/0"),
        ({"move_windows": ((0, 2), (-1, 3))}, "/sites/0/move_windows/1"),
    ],
)
def test_a_wrong_price_or_window_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_problem(replace(CASE, sites=(replace(CASE.sites[0], **changes),)))
    assert [error.field for error in caught.value.errors] == [field]
