"""Charging that is lower for a while: the table and its helpers count the same energy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from scheduler.admit import Calendar, Wish
from scheduler.lowered import Lowered, all_later_s, all_lost_s, lost_s, without_overlaps
from scheduler.reach import AdmissionRules, CarState, Promise

NOW = datetime(2026, 6, 15, 8, 0, tzinfo=UTC)


def at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def lowered(start: float, end: float, share: float, place: str = "A") -> Lowered:
    return Lowered(place, at(start), at(end), share)


def calendar(*limits: Lowered, promises: tuple[Promise, ...] = ()) -> Calendar:
    # It gains 4 kW x 0.9 x 0.85 = 3.06 kWh per hour.
    car = CarState("car", "city", "A", NOW, 2000.0, 16000.0, 1600.0, 16000.0, 4000.0, 0.9, 100.0)
    return Calendar.build([car], promises, AdmissionRules(lowered=limits), NOW)


def ready_wh(limits: tuple[Lowered, ...], start: float) -> float:
    answer = calendar(*limits).answer(Wish(at(start), at(start + 1), "A", "A", 1.0))
    return answer.offers[0].expected_soc_pct * 160


@pytest.mark.parametrize(
    ("limits", "start", "charged_hours"),
    [
        ((lowered(0, 2, 0.25),), 3, 1.5),
        ((lowered(0, 2, 0.25),), 1, 0.25),
        ((lowered(1, 2, 0.0),), 3, 2.0),
        ((lowered(1, 2, 0.0), lowered(2, 3, 0.5)), 3, 1.5),
        ((lowered(-2, 1, 0.5),), 2, 1.5),
        ((lowered(0, 3, 0.0, place="B"),), 3, 3.0),
    ],
)
def test_a_car_is_charged_as_far_as_the_limits_let_it(
    limits: tuple[Lowered, ...], start: float, charged_hours: float
) -> None:
    assert ready_wh(limits, start) == pytest.approx(2000 + 3060 * charged_hours)


def test_the_lowest_share_counts_where_limits_overlap() -> None:
    pieces = without_overlaps([lowered(0, 4, 0.5), lowered(1, 2, 0.25), lowered(3, 6, 1.0)])
    assert pieces == (
        lowered(0, 1, 0.5),
        lowered(1, 2, 0.25),
        lowered(2, 3, 0.5),
        lowered(3, 4, 0.5),
    )


def test_what_is_promised_after_the_trip_is_kept_as_well() -> None:
    then = Promise("b", "car", "A", "A", at(6), at(7), 60.0, 0.0)
    wish = Wish(at(1), at(3), "A", "A", 10.0)
    assert calendar(promises=(then,)).answer(wish).bookable
    refused = calendar(lowered(3, 6, 0.1), promises=(then,)).answer(wish)
    assert [reason.code for reason in refused.reasons] == ["ENERGY_AFTER"]
    assert calendar(lowered(0, 6, 0.1), promises=(then,)).broken() == (then,)


def test_all_gaps_lose_what_each_loses() -> None:
    limits = (lowered(0, 1, 0.3), lowered(2, 5, 0.0), lowered(1, 4, 0.5, place="B"))
    windows = tuple(
        (float(each.place == "B"), each.start.timestamp(), each.end.timestamp(), 1 - each.share)
        for each in limits
    )
    places = np.array([0.0, 0.0, 1.0, 2.0])
    from_s = np.array([at(each).timestamp() for each in (-1.0, 0.5, 2.0, 0.0)])
    until_s = np.array([at(each).timestamp() for each in (3.0, 9.0, 3.0, 9.0)])
    one_by_one = [
        lost_s(limits, "AB?"[int(place)], begin_s, end_s)
        for place, begin_s, end_s in zip(places, from_s, until_s, strict=True)
    ]
    assert all_lost_s(windows, places, from_s, until_s).tolist() == pytest.approx(one_by_one)
    later_s = all_later_s(windows, places, from_s, until_s)
    charged_s = later_s - from_s - all_lost_s(windows, places, from_s, later_s)
    assert (charged_s >= until_s - from_s - 1e-3).all()
