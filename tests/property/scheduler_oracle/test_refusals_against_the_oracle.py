"""What the desk offers instead it keeps to, and what it refuses is nearly always impossible."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, count, islice

import pytest

from scheduler.admit import ALTERNATIVE_LEAD, Calendar
from tests.builders.desks import NOW, RULES, Refusal, is_possible, refusals


def large(first: int) -> Iterator[Refusal]:
    """Refusals of desks with up to 15 cars, some of whose sites are full."""
    return chain.from_iterable(
        refusals(seed, cars=15, wishes=30, spaces=True) for seed in count(first)
    )


def small(first: int) -> Iterator[Refusal]:
    """Refusals of desks with up to 5 cars, mostly of wishes that come late."""
    return chain.from_iterable(
        refusals(seed, cars=5, wishes=20, spaces=False) for seed in count(first)
    )


def would_be_granted_alone(refusal: Refusal) -> bool:
    """Whether nothing but promises stands in the way."""
    empty = Calendar.build(refusal.calendar.cars, (), RULES, NOW)
    return empty.answer(refusal.wish).bookable


def assert_alternatives_hold(cases: Iterator[Refusal], many: int) -> None:
    alternatives = 0
    for refusal in islice(cases, many):
        assert refusal.answer.reasons
        for other in refusal.answer.alternatives:
            alternatives += 1
            for now in (NOW, NOW + ALTERNATIVE_LEAD - timedelta(seconds=1)):
                assert refusal.calendar.answer(other, now=now).bookable, (refusal.wish, other)
    assert alternatives >= many


def assert_mostly_impossible(cases: Iterator[Refusal], many: int, least_share: float) -> None:
    possible = [refusal for refusal in islice(cases, many) if is_possible(refusal)]
    assert many - len(possible) >= least_share * many, [each.wish for each in possible]


def test_each_alternative_of_a_thousand_refusals_is_accepted_when_asked_at_once() -> None:
    assert_alternatives_hold(large(0), 1000)


def test_the_exact_solver_finds_no_way_to_grant_97_of_100_refused_wishes() -> None:
    assert_mostly_impossible(small(0), 300, 0.97)


def test_it_finds_none_for_nine_in_ten_where_only_promises_are_in_the_way() -> None:
    assert_mostly_impossible(filter(would_be_granted_alone, small(0)), 100, 0.9)


def test_with_every_promise_on_its_car_no_refused_wish_can_be_granted() -> None:
    for refusal in islice(small(0), 300):
        assert not is_possible(refusal, moving=False)


def test_the_exact_solver_grants_what_the_desk_grants() -> None:
    """The oracle can say yes: a wish that the desk accepts without promises it grants too."""
    alone = [each for each in islice(small(0), 300) if would_be_granted_alone(each)]
    assert len(alone) >= 30
    for refusal in alone:
        empty = Calendar.build(refusal.calendar.cars, (), RULES, NOW)
        assert is_possible(Refusal(empty, refusal.wish, refusal.answer))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fresh_refusals_by_the_thousand_are_as_true() -> None:
    assert_alternatives_hold(large(10_000), 10_000)
    assert_mostly_impossible(small(10_000), 3000, 0.97)
