"""What a limit of the grid leaves to each car: never too much together, never more than it had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from csms.grid_limits.rules import Outlet, cut_periods, shares
from csms.planning.rules import GRID_CUT, Period, limit_at

NOW = datetime(2026, 6, 15, 6, 0, tzinfo=UTC)
powers = st.floats(0, 50_000)


@st.composite
def outlets(draw: st.DrawFn) -> list[Outlet]:
    found: list[Outlet] = []
    for number in range(draw(st.integers(0, 8))):
        most_w = draw(powers)
        found.append(
            Outlet(
                name=f"ST/{number}",
                most_w=most_w,
                least_w=draw(st.sampled_from([0.0, 1380.0, 4140.0])),
                circuits=frozenset(),
                spare_h=draw(st.sampled_from([-1.0, 0.5, 3.0, float("inf")])),
                drawn_w=draw(st.sampled_from([0.0, most_w])),
                read_at=None,
            )
        )
    return found


@given(room_w=st.floats(-10_000, 100_000), cars=outlets())
def test_shares_keep_the_room_what_each_had_and_the_least_of_each(
    room_w: float, cars: list[Outlet]
) -> None:
    given_w = shares(room_w, cars)
    assert given_w.keys() == {each.name for each in cars}
    assert sum(given_w.values()) <= max(0.0, room_w) + 1e-6
    for each in cars:
        power_w = given_w[each.name]
        assert 0 <= power_w <= each.most_w + 1e-6
        assert power_w == 0 or power_w >= each.least_w - 1e-6


@given(cars=outlets())
def test_where_there_is_room_nobody_gives_way(cars: list[Outlet]) -> None:
    given_w = shares(sum(each.most_w for each in cars) + 1.0, cars)
    for each in cars:
        if each.least_w <= each.most_w:
            assert abs(given_w[each.name] - each.most_w) < 1e-3


@given(room_w=st.floats(0, 100_000), cars=outlets())
def test_a_pause_hits_those_with_time_before_those_without(
    room_w: float, cars: list[Outlet]
) -> None:
    given_w = shares(room_w, cars)
    for one in cars:
        for other in cars:
            alike = one.least_w == other.least_w <= min(one.most_w, other.most_w)
            if alike and one.least_w > 0 and one.spare_h < other.spare_h:
                assert given_w[one.name] > 0 or given_w[other.name] == 0


schedules = st.lists(st.tuples(st.integers(0, 240), powers), max_size=5).map(
    lambda pairs: tuple(
        Period(NOW + timedelta(minutes=minute - 60), power_w, ("SUN",))
        for minute, power_w in sorted(dict(pairs).items())
    )
)


@given(in_box=schedules, cut_w=powers, minutes=st.integers(1, 200))
def test_a_cut_holds_until_its_end_and_leaves_what_comes_after(
    in_box: tuple[Period, ...], cut_w: float, minutes: int
) -> None:
    end = NOW + timedelta(minutes=minutes)
    periods = cut_periods(in_box, cut_w, NOW, end)
    assert periods[0].from_at == NOW
    assert [each.from_at for each in periods] == sorted({each.from_at for each in periods})
    for minute in range(0, 300, 7):
        at = NOW + timedelta(minutes=minute)
        held_w, now_w = limit_at(in_box, at), limit_at(periods, at)
        if at < end:
            wanted_w = cut_w if held_w is None else min(cut_w, held_w)
            assert now_w is not None
            assert abs(now_w - wanted_w) <= 0.051
        elif held_w is not None and limit_at(in_box, end) is not None:
            assert now_w == held_w
    assert GRID_CUT in periods[0].reasons
