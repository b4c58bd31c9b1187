"""ACN-Sim's wiring as our circuits, in a plain network that needs no package."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.judges.acn_wiring import Wiring
from benchmarks.judges.acnsim import moment_of, planned
from benchmarks.judges.standing import Rolling, problem_of
from scheduler.problem import check_problem

ANGLES = (30, 30, 30, -90, -90, 150, 150)
NAMES = ("a1", "a2", "a3", "b1", "b2", "c1", "c2")
LIMIT_A, PRIMARY_A, POD_A = 60.0, 26.0, 40.0


def network() -> SimpleNamespace:
    """Seven stations behind a transformer, two of them behind a limit of their own."""
    one, two, three = (
        np.array([angle == each for angle in ANGLES]) * 1.0 for each in (30, -90, 150)
    )
    lines = [one - three, two - one, three - two]
    primary = [(lines[n] - lines[n - 1]) / 4 for n in range(3)]
    pod = np.array([1.0, 1.0, 0, 0, 0, 0, 0])
    rows = [pod, *lines, *primary]
    names = ["Pod", *(f"Line {line}" for line in "ABC"), *(f"Primary {line}" for line in "ABC")]
    return SimpleNamespace(
        constraint_matrix=np.array(rows),
        constraint_limits=np.array([POD_A, *[LIMIT_A] * 3, *[PRIMARY_A] * 3]),
        constraint_ids=names,
        phases=np.array(ANGLES),
        voltages=np.full(7, 208.0),
        station_ids=list(NAMES),
        max_pilot=np.full(7, 32.0),
        allowable_pilots=[np.array([0, *range(6, 33)])] * 5 + [np.array([0, 32.0])] * 2,
        is_continuous=np.array([False] * 5 + [True] * 2),
        get_station_index=NAMES.index,
    )


class Interface:
    """What ACN-Sim shows an algorithm, beside its network."""

    period = 5
    current_datetime = datetime(2019, 6, 3, 9, tzinfo=UTC)

    def get_prices(self, length: int) -> Any:
        return np.full(length, 0.1)

    def get_demand_charge(self) -> float:
        return 15.0

    def get_prev_peak(self) -> float:
        return 50.0


def session(station: str, lacks_kwh: float, leaves: int) -> SimpleNamespace:
    return SimpleNamespace(
        station_id=station,
        energy_delivered=2.0,
        remaining_demand=lacks_kwh,
        estimated_departure=leaves,
        current_time=0,
    )


def all_want(lacks_kwh: float, leaves: int) -> list[SimpleNamespace]:
    return [session(name, lacks_kwh, leaves) for name in NAMES]


def test_parts_form_a_tree_and_stations_load_two_lines() -> None:
    wiring = Wiring(network())
    pod, lines = wiring.circuits(1.0)
    assert (pod.id, pod.parent, lines.id, lines.parent) == ("Pod", "Line", "Line", None)
    assert pod.limit_w == pytest.approx(POD_A * 208, rel=1e-3)
    assert pod.phase_limits_w is None
    assert lines.phase_limits_w == pytest.approx([LIMIT_A * 104] * 3, rel=1e-3)
    first, *_, last = wiring.evses()
    assert (first.circuit, first.phases, first.min_power_w) == ("Pod", ("L1", "L2"), 6 * 208.0)
    assert (last.circuit, last.phases, last.min_power_w) == ("Line", ("L3", "L1"), 0.0)


def test_no_currents_within_the_last_scale_exceed_a_true_limit() -> None:
    wiring, random = Wiring(network()), np.random.default_rng(1)
    assert wiring.scales[0] == pytest.approx(2 / math.sqrt(3))
    least = wiring.scales[-1]
    worst_a = 0.0
    for _ in range(2_000):
        pairs_a = random.exponential(1.0, 3) * random.integers(0, 2, 3)
        sums = pairs_a + np.roll(pairs_a, 1)
        if not sums.max():
            continue
        pairs_a *= least * LIMIT_A / sums.max()
        rates_a = np.array([0, 0, pairs_a[0], pairs_a[1], 0, pairs_a[2], 0])[:, None]
        assert wiring.kept(rates_a)
        worst_a = max(worst_a, float(np.abs(rates_a).max()))
    assert worst_a > 0.9 * least * LIMIT_A


def test_true_sums_count_angles() -> None:
    wiring = Wiring(network())
    balanced = np.array([0, 0, 1, 1, 0, 1, 0])[:, None]
    assert wiring.kept(balanced * LIMIT_A / math.sqrt(3) * 0.99)
    assert not wiring.kept(balanced * LIMIT_A / math.sqrt(3) * 1.05)


def test_currents_are_rounded_to_what_stations_know_and_stay_lawful() -> None:
    wiring, random = Wiring(network()), np.random.default_rng(2)
    for _ in range(200):
        wished_a = random.uniform(0, 32, (7, 2))
        while not wiring.kept(wished_a):
            wished_a *= 0.95
        rates_a = wiring.rounded(wished_a)
        assert wiring.kept(rates_a)
        assert set(rates_a[:5].ravel()) <= {0.0, *map(float, range(6, 33))}
        assert rates_a[5:] == pytest.approx(wished_a[5:])
        assert (np.abs(rates_a - wished_a)[:5] <= 6.0).all()


def test_a_plan_gives_what_is_wanted_in_time_below_every_limit() -> None:
    told, rolling = network(), Rolling()
    wiring, lacks = Wiring(told), dict.fromkeys(NAMES, 5.0)
    for step in range(0, 36, 3):
        sessions = [session(name, kwh, 36 - step) for name, kwh in lacks.items() if kwh > 1e-3]
        if not sessions:
            break
        found = planned(wiring, told, Interface(), sessions, rolling)
        assert wiring.kept(np.array(list(found.values())))
        for name, rates_a in found.items():
            lacks[name] = max(lacks[name] - sum(rates_a) * 208 / 12_000, 0.0)
    assert max(lacks.values()) == pytest.approx(0.0, abs=0.05)
    assert (set(rolling.levels), rolling.refused) == ({"solver"}, 0)


def test_what_can_not_be_had_for_all_is_shared() -> None:
    told = network()
    wiring = Wiring(told)
    found = planned(wiring, told, Interface(), all_want(20.0, 12), Rolling())
    rates_a = np.array(list(found.values()))
    assert wiring.kept(rates_a)
    assert rates_a.sum(axis=0).min() > 60.0


def test_a_problem_of_a_car_that_is_about_to_leave_is_a_valid_one() -> None:
    told = network()
    moment = moment_of(Wiring(told), told, Interface(), [session("a1", 0.01, 1)], 1.0)
    check_problem(problem_of(moment))
    # What lacks is less than a station's least in a step.
    assert moment.cars[0].wanted_wh - moment.cars[0].soc_wh == pytest.approx(6 * 208 / 12)


def test_a_station_that_is_not_between_two_lines_is_refused() -> None:
    told = network()
    told.phases = np.array([0, *ANGLES[1:]])
    with pytest.raises(ValueError, match=r"\[0\] degrees"):
        Wiring(told)
