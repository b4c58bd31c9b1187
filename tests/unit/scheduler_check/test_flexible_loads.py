"""Heat pumps and boilers with a store: read, planned, judged."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from models.errors import BadInput
from scheduler.check import check
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Charging, Plan, Stay, read_plan, write_plan
from scheduler.problem import FlexibleLoad, Problem, check_problem, read_problem, write_problem
from scheduler.rolling import make_plan
from tests.builders.plans import plan_of
from tests.builders.problems import booking, problem, site, vehicle

STEPS = 16
PRICES = (0.4,) * 8 + (0.1,) * 4 + (0.4,) * 4
BOILER = FlexibleLoad("boiler", 4000.0, 4000.0, 2000.0, (1000.0,) * STEPS)


def house(load: FlexibleLoad = BOILER, **changes: Any) -> Problem:
    """A house with a boiler; electricity is cheap in steps 8 to 11."""
    place = {"import_price_per_kwh": PRICES, "flexible_loads": (load,)} | changes
    return problem(sites=(site(**place),), vehicles=(), bookings=())


def planned(case: Problem, options: PlanOptions = OFFLINE) -> Plan:
    check_problem(case)
    plan = make_plan(case, options=options, monotonic=time.monotonic)
    assert check(case, plan) == ()
    return plan


def rules(power_w: list[float], case: Problem | None = None) -> list[tuple[str, str, int | None]]:
    case = house() if case is None else case
    plan = plan_of(case, flexible_w={"boiler": power_w})
    return [(one.rule, one.subject, one.step) for one in check(case, plan)]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"max_power_w": -1.0}, "/max_power_w"),
        ({"store_wh": float("nan")}, "/store_wh"),
        ({"loss_w": -5.0}, "/loss_w"),
        ({"stored_wh": 4001.0}, "/stored_wh"),
        ({"demand_w": (1000.0,) * 7}, "/demand_w"),
        ({"demand_w": (-1.0,) * STEPS}, "/demand_w/0"),
        # Full power and the store last for the first two steps only.
        ({"demand_w": (8000.0,) * STEPS}, "/demand_w/2"),
    ],
)
def test_a_load_that_can_not_be_or_be_met_is_refused(changes: dict[str, Any], pointer: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_problem(house(replace(BOILER, **changes)))
    assert caught.value.errors[0].field == f"/sites/0/flexible_loads/0{pointer}"


def test_two_loads_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput) as caught:
        check_problem(house(flexible_loads=(BOILER, BOILER)))
    assert caught.value.errors[0].field == "/sites/0/flexible_loads/1/id"


def test_loads_survive_writing_and_reading() -> None:
    case = house(replace(BOILER, loss_w=20.0))
    assert read_problem(write_problem(case)) == case
    plan = planned(case)
    assert read_plan(write_plan(plan)) == plan


def test_a_plan_without_such_loads_says_nothing_of_them() -> None:
    bare = planned(house(flexible_loads=()))
    assert "flexible" not in msgspec.json.decode(write_plan(bare))
    assert read_plan(write_plan(bare)) == bare


def test_by_itself_a_load_fills_its_store_and_keeps_it_full() -> None:
    full = [4000.0, 4000.0, 4000.0 - 1000.0 + 1000.0]
    alone = planned(house(), PlanOptions(solvers=())).flexible[0].power_w
    # It gains 3 kW over the demand: 2000 Wh take 2 steps and two thirds.
    assert alone[:2] == tuple(full[:2])
    assert alone[2] == pytest.approx(1000.0 + 500 * 4)
    assert alone[3:] == pytest.approx([1000.0] * 13)


def test_a_plan_moves_a_load_into_the_cheap_hour() -> None:
    plan = planned(house())
    power_w = plan.flexible[0].power_w
    assert power_w[8:12] == pytest.approx([4000.0] * 4, abs=1.0)
    # Of 4 kWh of demand 2 are in the store, and 2 are left in it.
    assert sum(power_w) / 4 == pytest.approx(4000.0, abs=2.0)
    assert plan.cost == pytest.approx(0.1 * 4.0 + 0.0, abs=1e-3)
    assert plan.status == "optimal"


def test_a_plan_moves_a_load_into_the_sun() -> None:
    sun_w = (0.0,) * 4 + (3000.0,) * 4 + (0.0,) * 8
    prices = {"import_price_per_kwh": (0.3,) * STEPS, "export_price_per_kwh": (0.05,) * STEPS}
    plan = planned(house(pv_power_w=sun_w, **prices))
    assert plan.kpis.pv_utilisation == pytest.approx(1.0)
    assert all(w >= 3000.0 - 1 for w in plan.flexible[0].power_w[4:8])


def test_a_load_keeps_to_its_power_and_its_store() -> None:
    steady = [1000.0] * STEPS
    assert rules(steady) == []
    assert rules([*steady[:4], -100.0, 2100.0, *steady[6:]]) == [("flexible-power", "boiler", 4)]
    assert rules([*steady[:4], 4100.0, *steady[5:]])[0] == ("flexible-power", "boiler", 4)
    assert rules([0.0] * 8 + [900.0] + [2200.0] * 7) == [("flexible-store", "boiler", 8)]
    assert rules([4000.0] * 3 + steady[3:]) == [("flexible-store", "boiler", 2)]


def test_a_load_leaves_as_much_in_its_store_as_it_found() -> None:
    steady = [1000.0] * STEPS
    assert rules([*steady[:-1], 990.0]) == [("flexible-store", "boiler", STEPS - 1)]
    # Where it could not have kept so much by itself, that is enough.
    hard = replace(BOILER, demand_w=(0.0,) * 15 + (12_000.0,), max_power_w=5000.0)
    alone = planned(house(hard), PlanOptions(solvers=()))
    assert rules(list(alone.flexible[0].power_w), house(hard)) == []


def test_a_load_must_be_named_once_and_be_a_load() -> None:
    case = house()
    plan = plan_of(case)
    none = replace(plan, flexible=())
    twice = replace(plan, flexible=plan.flexible * 2)
    other = replace(plan, flexible=(*plan.flexible, replace(plan.flexible[0], id="sauna")))
    short = replace(plan, flexible=(replace(plan.flexible[0], power_w=(1.0,)),))
    for broken in (none, twice, other, short):
        assert [one.rule for one in check(case, broken)] == ["flexible-series"]


def test_what_a_load_draws_is_in_the_balance() -> None:
    case = house()
    plan = plan_of(case)
    moved = replace(plan.flexible[0], power_w=(1000.0,) * STEPS)
    found = [one.rule for one in check(case, replace(plan, flexible=(moved,)))]
    assert found == ["grid-balance"]


def test_a_load_makes_way_for_a_car_that_must_go() -> None:
    # By itself the boiler takes the whole 4 kW of import at first; the trip wants 3.5 kW of them.
    trip = booking(start_step=2, end_step=4, distance_km=57.0)
    case = replace(house(import_limit_w=4000.0), vehicles=(vehicle(evse="A-1"),), bookings=(trip,))
    assert [one.booking for one in planned(case).assignments] == ["b-1"]
    assert len(planned(case, PlanOptions(solvers=())).unserved) == 1


def test_where_a_load_by_itself_is_beyond_the_import_cars_draw_nothing() -> None:
    case = replace(
        house(import_limit_w=3000.0), vehicles=(vehicle(evse="A-1"),), terminal_value_per_kwh=0.9
    )
    stays = [Stay("car-1", "A", "A-1", 0, STEPS)]
    assert check(case, plan_of(case, stays=stays)) == ()
    entry = Charging("car-1", "A-1", 0, 1, 2000.0)
    found = check(case, plan_of(case, stays=stays, charging=[entry]))
    assert [one.rule for one in found] == ["import-limit", "overload"]
    planned(case)


def test_a_plan_that_breaks_the_store_is_caught() -> None:
    small = house(replace(BOILER, store_wh=2500.0))
    assert [one.rule for one in check(small, planned(house()))] == ["flexible-store"]
