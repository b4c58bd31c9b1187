"""What the loop between plans may do to each car: within its corridor, seldom, circuits first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csms.grid_limits.rules import TOLERANCE_W
from csms.planning.rules import Period, limit_at
from csms.surplus.rules import (
    DWELL,
    SWITCHES_PER_HOUR,
    Circuit,
    Follower,
    corrected,
    followed,
    relieved,
)

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
LONG_AGO = NOON - timedelta(hours=2)
slowly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine too."""


@st.composite
def fleets(draw: st.DrawFn) -> list[Follower]:
    found: list[Follower] = []
    for number in range(draw(st.integers(1, 6))):
        least_w = draw(st.sampled_from([0.0, 1380.0, 4140.0]))
        most_w = draw(st.floats(max(least_w, 1000.0), 22_000))
        limit_w = draw(st.one_of(st.just(0.0), st.floats(least_w, most_w)))
        planned_w = draw(st.one_of(st.just(0.0), st.floats(least_w, most_w)))
        part = draw(st.sampled_from([1 / 3, 1.0]))
        found.append(
            Follower(
                name=f"ST{number}/1",
                limit_w=limit_w,
                drawn_w=limit_w * draw(st.sampled_from([0.0, 0.9, 1.0, 1.05])),
                least_w=least_w,
                floor_w=planned_w * draw(st.sampled_from([0.0, 1.0])),
                planned_w=planned_w,
                most_w=most_w,
                on={"C": 1.0, "C/L1": part},
                spare_h=draw(st.sampled_from([0.5, 3.0, float("inf")])),
                changed_at=draw(st.sampled_from([None, LONG_AGO, NOON])),
                switched_at=draw(st.sampled_from([None, LONG_AGO, NOON])),
                switches=draw(st.integers(0, SWITCHES_PER_HOUR)),
            )
        )
    return found


fuses = st.builds(
    Circuit,
    limit_w=st.floats(1000, 80_000),
    kept_w=st.floats(0, 20_000),
    others_w=st.floats(0, 20_000),
)


@slowly
@given(spare_w=st.floats(-50_000, 50_000), fleet=fleets(), whole=fuses, phase=fuses)
def test_changes_stay_in_the_corridor_and_take_no_more_than_there_is(
    spare_w: float, fleet: list[Follower], whole: Circuit, phase: Circuit
) -> None:
    circuits = {"C": whole, "C/L1": phase}
    changed = followed(spare_w, fleet, circuits, NOON)
    raised_w = lowered_w = 0.0
    for each in fleet:
        power_w = changed.get(each.name, each.limit_w)
        raised_w += max(0.0, power_w - each.limit_w)
        lowered_w += max(0.0, each.limit_w - power_w)
        if each.name not in changed:
            continue
        assert power_w == 0 or power_w >= min(each.least_w, each.limit_w or each.least_w) - 1e-6
        assert power_w <= max(each.most_w, each.limit_w) + 1e-6
        assert power_w >= min(each.floor_w, each.limit_w) - 1e-6
        assert (power_w > each.limit_w) == (spare_w > 0)
        assert each.changed_at != NOON, "its last change is not seen yet"
        if (power_w > 0) != (each.limit_w > 0):
            assert each.switched_at != NOON
            assert each.switches < SWITCHES_PER_HOUR
    assert raised_w <= max(0.0, spare_w) + 1e-6
    if raised_w > 0:
        for name, circuit in circuits.items():
            together_w = sum(changed.get(e.name, e.limit_w) * e.on[name] for e in fleet)
            assert together_w <= circuit.limit_w - circuit.kept_w + 1e-6


@slowly
@given(fleet=fleets(), circuit=fuses)
def test_a_circuit_measured_above_its_limit_is_relieved_at_once(
    fleet: list[Follower], circuit: Circuit
) -> None:
    fleet = [replace(each, changed_at=NOON, switched_at=NOON, on={"C": 1.0}) for each in fleet]
    lowered, over = relieved(fleet, {"C": circuit})
    drawn_w = circuit.others_w + sum(each.drawn_w for each in fleet)
    assert over == (["C"] if drawn_w > circuit.limit_w + TOLERANCE_W else [])
    assert over or not lowered
    if over:
        after_w = {each.name: lowered.get(each.name, each.limit_w) for each in fleet}
        room_w = max(0.0, circuit.limit_w - circuit.others_w)
        assert sum(after_w.values()) <= room_w + len(fleet) + 1e-6
        # What draws more than its limit by so much as meters allow goes on doing so.
        excess = max(1.0, drawn_w and sum(e.drawn_w for e in fleet) / _limits_w(fleet))
        assert sum(after_w.values()) * excess <= room_w + 2 * len(fleet) + 1e-6
        assert all(after_w[each.name] <= each.limit_w for each in fleet)


def _limits_w(fleet: list[Follower]) -> float:
    return max(1e-9, sum(each.limit_w for each in fleet))


@slowly
@given(fleet=fleets(), seed=st.integers(0, 2**32), size_w=st.sampled_from([2e3, 1e4, 5e4]))
def test_no_measurements_make_a_station_flap(
    fleet: list[Follower], seed: int, size_w: float
) -> None:
    drawn = Random(seed)
    spares = [drawn.uniform(-size_w, size_w) for _ in range(90)]
    circuits = {"C": Circuit(1e6, 0.0, 0.0), "C/L1": Circuit(1e6, 0.0, 0.0)}
    fleet = [replace(e, changed_at=None, switched_at=None, switches=0) for e in fleet]
    sent = dict.fromkeys((each.name for each in fleet), 0)
    switched = dict(sent)
    for number, spare_w in enumerate(spares):
        now = NOON + timedelta(seconds=40 * number)  # one hour in all
        changed = followed(spare_w, fleet, circuits, now)
        after: list[Follower] = []
        for each in fleet:
            power_w = changed.get(each.name)
            if power_w is None:
                after.append(each)
                continue
            sent[each.name] += 1
            switches = (power_w > 0) != (each.limit_w > 0)
            switched[each.name] += switches
            after.append(
                replace(
                    each,
                    limit_w=power_w,
                    drawn_w=power_w,
                    changed_at=now,
                    switched_at=now if switches else each.switched_at,
                    switches=switched[each.name],
                )
            )
        fleet = after
    assert max(sent.values()) <= 3600 / DWELL.total_seconds()
    assert max(switched.values()) <= SWITCHES_PER_HOUR


NEARLY_FULL = Follower(
    name="ST/1",
    limit_w=3000.0,
    drawn_w=900.0,
    least_w=1380.0,
    floor_w=0.0,
    planned_w=3000.0,
    most_w=3700.0,
    on={},
    spare_h=float("inf"),
    changed_at=None,
    switched_at=None,
)


def test_one_that_can_give_little_is_not_let_off_by_little_within_its_dwell() -> None:
    fast = replace(
        NEARLY_FULL, limit_w=5000.0, drawn_w=5000.0, least_w=0.0, most_w=22_000.0, switched_at=NOON
    )
    assert followed(-9000.0, [fast], {}, NOON) == {"ST/1": 500.0}
    assert followed(-9000.0, [fast], {}, NOON + timedelta(minutes=5)) == {"ST/1": 0.0}


def test_a_car_that_is_nearly_full_gets_no_more() -> None:
    assert followed(5000.0, [NEARLY_FULL], {}, NOON) == {}
    assert followed(5000.0, [replace(NEARLY_FULL, drawn_w=2900.0)], {}, NOON) == {"ST/1": 3700.0}


powers = st.floats(0, 50_000)
schedules = st.lists(st.tuples(st.integers(0, 240), powers), max_size=5).map(
    lambda pairs: tuple(
        Period(NOON + timedelta(minutes=minute - 60), power_w, ("SUN",))
        for minute, power_w in sorted(dict(pairs).items())
    )
)


@slowly
@given(in_box=schedules, power_w=powers, minutes=st.integers(1, 15))
def test_after_a_correction_the_box_goes_by_its_plan(
    in_box: tuple[Period, ...], power_w: float, minutes: int
) -> None:
    until = NOON + timedelta(minutes=minutes)
    periods = corrected(in_box, power_w, "FOLLOW_SUN", NOON, until)
    assert [each.from_at for each in periods] == sorted({each.from_at for each in periods})
    for minute in range(0, 300, 7):
        at = NOON + timedelta(minutes=minute)
        held_w = limit_at(in_box, at)
        if at < until:
            assert limit_at(periods, at) == round(power_w, 1)
        elif held_w is not None:
            assert limit_at(periods, at) == held_w or limit_at(in_box, until) is None
