"""The referee names each planted violation, and nothing else where only one rule is broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from scheduler.check import check
from scheduler.plan import Assignment, Charging, Plan, Stay, Unserved, read_plan
from scheduler.problem import Problem, read_problem
from tests.builders.plans import plan_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "planning"
PROBLEM = read_problem((FIXTURES / "problem.json").read_bytes())
PLAN = read_plan((FIXTURES / "plan.json").read_bytes())


@dataclass
class Draft:
    """The parts of the fixture's plan, to be changed and completed anew."""

    assignments: list[Assignment]
    unserved: list[Unserved]
    stays: list[Stay]
    charging: list[Charging]
    battery_w: dict[str, list[float]]
    pv_used_w: dict[str, list[float]]

    @staticmethod
    def of(plan: Plan) -> Draft:
        return Draft(
            list(plan.assignments),
            list(plan.unserved),
            list(plan.stays),
            list(plan.charging),
            {site.id: list(site.battery_w) for site in plan.sites},
            {site.id: list(site.pv_used_w) for site in plan.sites},
        )

    def drop(self, name: str) -> None:
        self.assignments = [one for one in self.assignments if one.booking != name]


def car_1_on_fast(draft: Draft) -> int:
    return next(i for i, stay in enumerate(draft.stays) if stay.evse == "A-fast")


def one_stay(draft: Draft, evse: str | None) -> None:
    """Lets car-1 stand on one EVSE until its trip, charging nothing until then."""
    draft.stays[0:3] = [Stay("car-1", "A", evse, 0, 4)]
    draft.charging = [c for c in draft.charging if c.vehicle != "car-1" or c.from_step >= 4]
    draft.assignments[0] = Assignment("b-1", "car-1", 9000.0)


# Each of these breaks exactly one rule; the figures are worked out anew around it.
def book_twice(draft: Draft) -> None:
    draft.unserved.append(Unserved("b-1", "LIMIT", "also served"))


def forget_a_booking(draft: Draft) -> None:
    draft.unserved.clear()


def unknown_unserved(draft: Draft) -> None:
    draft.unserved.append(Unserved("b-99", "LIMIT", "never asked"))


def unknown_assigned(draft: Draft) -> None:
    draft.assignments.append(Assignment("b-99", "car-1", 1.0))


def wrong_departure_energy(draft: Draft) -> None:
    one = draft.assignments[0]
    draft.assignments[0] = replace(one, soc_at_start_wh=one.soc_at_start_wh + 1.1)


def gap_between_stays(draft: Draft) -> None:
    draft.stays[0] = replace(draft.stays[0], to_step=1)


def stay_ends_early(draft: Draft) -> None:
    draft.stays[3] = replace(draft.stays[3], to_step=7)


def stay_while_driving(draft: Draft) -> None:
    draft.stays.insert(3, Stay("car-1", "A", None, 4, 5))


def no_stay_at_all(draft: Draft) -> None:
    del draft.stays[5]


def stays_out_of_order(draft: Draft) -> None:
    draft.stays[0], draft.stays[3] = draft.stays[3], draft.stays[0]


def stay_turned_round(draft: Draft) -> None:
    draft.stays.append(Stay("car-2", "B", None, 8, 8))


def stay_elsewhere(draft: Draft) -> None:
    draft.stays[5] = Stay("car-2", "A", None, 7, 8)


def second_visit(draft: Draft) -> None:
    at = car_1_on_fast(draft)
    draft.stays[0:at] = [
        Stay("car-1", "A", "A-fast", 0, 1),
        Stay("car-1", "A", "A-1", 1, 2),
    ]
    del draft.charging[0]
    recharge(draft)


def recharge(draft: Draft) -> None:
    """Puts the right energy on car-1's departure after its charging was changed."""
    gained = 0.0
    for one in draft.charging:
        if one.vehicle == "car-1" and one.from_step < 4:
            gained += one.power_w * 0.25 * (0.9 if one.power_w > 0 else 1 / 0.9)
    draft.assignments[0] = Assignment("b-1", "car-1", 9000 + gained)


def move_to_another_ac(draft: Draft) -> None:
    draft.stays[4] = replace(draft.stays[4], evse=None)
    draft.charging = [c for c in draft.charging if c.vehicle != "car-2"]
    draft.assignments[1] = Assignment("b-2", "car-2", 5000.0)
    draft.stays[car_1_on_fast(draft)] = Stay("car-1", "A", "A-2", 2, 3)
    draft.charging = [c for c in draft.charging if c.evse != "A-fast"]
    recharge(draft)


def leave_the_evse(draft: Draft) -> None:
    draft.stays[4:5] = [Stay("car-2", "A", "A-2", 0, 4), Stay("car-2", "A", None, 4, 5)]
    short_charge(draft, 4)


def short_charge(draft: Draft, to_step: int) -> None:
    """Lets car-2 charge from step 1 until `to_step` only."""
    draft.charging = [
        replace(c, to_step=to_step) if c.vehicle == "car-2" else c for c in draft.charging
    ]
    draft.assignments[1] = Assignment("b-2", "car-2", 5000 + (to_step - 1) * 832.5)


def stand_elsewhere_at_first(draft: Draft) -> None:
    one_stay(draft, "A-fast")


def stand_on_none_at_first(draft: Draft) -> None:
    one_stay(draft, None)


def two_on_one_evse(draft: Draft) -> None:
    draft.stays[4] = replace(draft.stays[4], evse="A-1")
    draft.charging = [c for c in draft.charging if c.vehicle != "car-2"]
    draft.assignments[1] = Assignment("b-2", "car-2", 5000.0)


def take_the_visitors_own(draft: Draft) -> None:
    draft.stays[4] = replace(draft.stays[4], to_step=2)
    draft.stays.insert(5, Stay("car-2", "A", "A-1", 2, 3))
    draft.stays.insert(6, Stay("car-2", "A", "A-2", 3, 5))
    draft.charging[4:5] = [Charging("car-2", "A-2", 3, 5, 3700.0)]
    draft.assignments[1] = Assignment("b-2", "car-2", 5000 + 2 * 832.5)


def arrive_while_unavailable(draft: Draft) -> None:
    draft.stays[3] = replace(draft.stays[3], evse="A-2")
    draft.charging = [c for c in draft.charging if c.from_step != 6]


def charge_elsewhere(draft: Draft) -> None:
    draft.charging[-1] = replace(draft.charging[-1], vehicle="car-3", evse="A-1", power_w=7400.0)


def charge_after_leaving(draft: Draft) -> None:
    draft.charging[3] = replace(draft.charging[3], from_step=5, to_step=6)


def charge_too_hard_for_the_car(draft: Draft) -> None:
    draft.charging[3] = replace(draft.charging[3], power_w=3702.0)


def discharge_too_hard(draft: Draft) -> None:
    draft.charging[0] = replace(draft.charging[0], power_w=-3002.0)
    recharge(draft)


def discharge_a_car_that_cannot(draft: Draft) -> None:
    draft.charging[4:5] = [Charging("car-2", "A-2", 1, 2, -1400.0)]
    draft.assignments[1] = Assignment("b-2", "car-2", 5000 - 1400 * 0.25 / 0.9)


def charge_below_the_least(draft: Draft) -> None:
    draft.charging[2] = replace(draft.charging[2], power_w=1300.0)
    recharge(draft)


def charge_twice_at_once(draft: Draft) -> None:
    draft.charging[3:4] = [Charging("car-1", "A-1", 6, 7, 1500.0)] * 2


def charge_backwards(draft: Draft) -> None:
    draft.charging.append(Charging("car-1", "A-1", 7, 7, 3000.0))


def empty_the_battery(draft: Draft) -> None:
    draft.battery_w["A"] = [-4000.0] * 4 + [0.0] * 4


def overfill_the_battery(draft: Draft) -> None:
    draft.battery_w["A"] = [0.0, 0.0, 0.0, 4000.0, 4000.0, 4000.0, 4000.0, 4000.0]
    draft.battery_w["A"][1] = draft.battery_w["A"][2] = 4000.0


def battery_too_hard(draft: Draft) -> None:
    draft.battery_w["A"][3] = 4001.5


def battery_that_is_not_there(draft: Draft) -> None:
    draft.battery_w["B"][3] = 1.5


def more_sun_than_there_is(draft: Draft) -> None:
    draft.pv_used_w["A"][2] = 4001.5


def less_sun_than_none(draft: Draft) -> None:
    draft.pv_used_w["A"][0] = -1.5


SINGLE: list[tuple[str, Callable[[Draft], None], str]] = [
    ("booking-once", book_twice, "b-1"),
    ("unknown-booking", unknown_unserved, "b-99"),
    ("unknown-booking", unknown_assigned, "b-99"),
    ("departure-soc", wrong_departure_energy, "b-1"),
    ("stay-gap", gap_between_stays, "car-1"),
    ("stay-gap", stay_while_driving, "car-1"),
    ("stay-gap", no_stay_at_all, "car-2"),
    ("stay-order", stays_out_of_order, "car-1"),
    ("stay-order", stay_turned_round, "car-2"),
    ("stay-place", stay_elsewhere, "car-2"),
    ("stay-evse", leave_the_evse, "car-2"),
    ("stay-kept-evse", stand_elsewhere_at_first, "car-1"),
    ("stay-kept-evse", stand_on_none_at_first, "car-1"),
    ("evse-exclusive", two_on_one_evse, "A-1"),
    ("evse-unavailable", arrive_while_unavailable, "A-2"),
    ("charging-power", charge_too_hard_for_the_car, "car-1"),
    ("discharging-power", discharge_too_hard, "car-1"),
    ("discharging-power", discharge_a_car_that_cannot, "car-2"),
    ("charging-minimum", charge_below_the_least, "car-1"),
    ("charging-overlap", charge_twice_at_once, "car-1"),
    ("charging-span", charge_backwards, "car-1"),
    ("soc-minimum", empty_the_battery, "A"),
    ("soc-maximum", overfill_the_battery, "A"),
    ("battery-power", battery_too_hard, "A"),
    ("battery-power", battery_that_is_not_there, "B"),
    ("pv-range", more_sun_than_there_is, "A"),
    ("pv-range", less_sun_than_none, "A"),
]


def rules(problem: Problem, plan: Plan) -> list[tuple[str, str]]:
    return [(violation.rule, violation.subject) for violation in check(problem, plan)]


def drawn(change: Callable[[Draft], None]) -> Plan:
    draft = Draft.of(PLAN)
    change(draft)
    return plan_of(
        PROBLEM,
        assignments=draft.assignments,
        unserved=draft.unserved,
        stays=draft.stays,
        charging=draft.charging,
        battery_w=draft.battery_w,
        pv_used_w=draft.pv_used_w,
    )


def test_the_fixture_pair_passes() -> None:
    assert check(PROBLEM, PLAN) == ()


def test_the_draft_of_the_fixture_passes_unchanged() -> None:
    assert check(PROBLEM, drawn(lambda draft: None)) == ()


@pytest.mark.parametrize(
    ("rule", "change", "subject"), SINGLE, ids=[change.__name__ for _, change, _ in SINGLE]
)
def test_one_broken_rule_is_named_alone(
    rule: str, change: Callable[[Draft], None], subject: str
) -> None:
    assert set(rules(PROBLEM, drawn(change))) == {(rule, subject)}


# These break a rule and, of necessity, others that follow from it.
AMONG: list[tuple[str, Callable[[Draft], None], str]] = [
    ("booking-once", forget_a_booking, "b-3"),
    ("stay-gap", stay_ends_early, "car-1"),
    ("stay-evse", second_visit, "car-1"),
    ("stay-evse", move_to_another_ac, "car-1"),
    ("evse-exclusive", take_the_visitors_own, "A-1"),
    ("charging-stay", charge_elsewhere, "car-3"),
    ("charging-stay", charge_after_leaving, "car-1"),
]


@pytest.mark.parametrize(
    ("rule", "change", "subject"), AMONG, ids=[change.__name__ for _, change, _ in AMONG]
)
def test_a_broken_rule_is_named(rule: str, change: Callable[[Draft], None], subject: str) -> None:
    assert (rule, subject) in rules(PROBLEM, drawn(change))


def site_changed(number: int, **changes: Any) -> Plan:
    sites = list(PLAN.sites)
    sites[number] = replace(sites[number], **changes)
    return replace(PLAN, sites=tuple(sites))


def but(values: tuple[float, ...], step: int, value: float) -> tuple[float, ...]:
    return (*values[:step], value, *values[step + 1 :])


def reasoned(number: int, code: Any) -> Plan:
    """The plan with another reason for one charging entry."""
    charging = list(PLAN.charging)
    charging[number] = replace(charging[number], reasons=(code,))
    return replace(PLAN, charging=tuple(charging))


GRID = PLAN.sites[0].grid_w
SAID: list[tuple[str, str, Plan]] = [
    ("grid-balance", "A", site_changed(0, grid_w=but(GRID, 1, GRID[1] + 1.5))),
    ("site-series", "A", site_changed(0, grid_w=GRID[:-1])),
    ("site-series", "A", site_changed(0, grid_w=but(GRID, 1, math.nan))),
    ("site-series", "A", site_changed(0, battery_w=but(GRID, 1, math.inf))),
    ("site-series", "A", replace(PLAN, sites=PLAN.sites[1:])),
    ("site-series", "B", replace(PLAN, sites=(*PLAN.sites, PLAN.sites[1]))),
    ("unknown-site", "Z", site_changed(1, id="Z")),
    ("charging-reason", "car-1", reasoned(0, "PRICE")),
    ("charging-reason", "car-1", reasoned(2, "GIVE")),
    ("charging-reason", "car-2", reasoned(4, "PAID")),
    ("charging-reason", "car-3", reasoned(5, "SUN")),
    ("charging-reason", "car-3", reasoned(5, "XX")),
    ("charging-reason", "car-2", reasoned(4, "BATTERY")),
    ("charging-reason", "car-2", reasoned(4, "TRADE")),
    ("cost", "plan", replace(PLAN, cost=PLAN.cost + 1e-4)),
    ("cost", "plan", replace(PLAN, cost=math.nan)),
    ("lower-bound", "plan", replace(PLAN, lower_bound=PLAN.cost + 1e-4)),
    ("lower-bound", "plan", replace(PLAN, lower_bound=-math.inf)),
    ("lower-bound", "plan", replace(PLAN, lower_bound=None, status="feasible")),
    ("status", "plan", replace(PLAN, status="feasible")),
    ("status", "plan", replace(PLAN, status="optimal")),
    ("solve-seconds", "plan", replace(PLAN, solve_seconds=-1.0)),
    ("kpi", "energy_cost", replace(PLAN, kpis=replace(PLAN.kpis, energy_cost=2.3))),
    ("kpi", "co2_g", replace(PLAN, kpis=replace(PLAN.kpis, co2_g=374.0))),
    ("kpi", "peak_import_w", replace(PLAN, kpis=replace(PLAN.kpis, peak_import_w=8702.0))),
    ("kpi", "pv_utilisation", replace(PLAN, kpis=replace(PLAN.kpis, pv_utilisation=0.68))),
    ("kpi", "pv_utilisation", replace(PLAN, kpis=replace(PLAN.kpis, pv_utilisation=None))),
]


@pytest.mark.parametrize(("rule", "subject", "plan"), SAID)
def test_a_false_statement_is_named(rule: str, subject: str, plan: Plan) -> None:
    assert (rule, subject) in rules(PROBLEM, plan)


def test_optimal_must_be_near_its_lower_bound() -> None:
    served = replace(PROBLEM, bookings=tuple(b for b in PROBLEM.bookings if b.id != "b-3"))
    plan = replace(PLAN, unserved=(), status="optimal", lower_bound=PLAN.cost)
    assert check(served, plan) == ()
    far = replace(plan, lower_bound=PLAN.cost - 0.0051 * abs(PLAN.cost))
    assert rules(served, far) == [("status", "plan")]
    near = replace(plan, lower_bound=PLAN.cost - 0.0049 * abs(PLAN.cost))
    assert check(served, near) == ()


def test_a_cost_may_be_off_by_a_millionth_of_its_terms() -> None:
    assert check(PROBLEM, replace(PLAN, cost=PLAN.cost + 4e-6)) == ()
    assert rules(PROBLEM, replace(PLAN, cost=PLAN.cost + 1e-5)) == [("cost", "plan")]
