"""Reasons are checked, not narrated: without the constraint that is named, the plan is another.

Of random slots of random plans one named reason is taken, what it names is taken out of the
problem (`tests.builders.relaxed`), and the plan is made anew with the former one as incumbent. The
decision has changed where the car's power in that slot differs by more than 1 % on average; for a
limit, where what is drawn under it does. The other way round, constraints that were *not* named
are taken out as well: they change the slot far less often, so that the test can fail.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from scheduler.explaining import ChargingWhy, explain
from scheduler.explaining.picture import Reason
from scheduler.options import OFFLINE, PlanOptions
from scheduler.plan import Plan
from scheduler.problem import Problem
from scheduler.rolling import make_plan
from tests.builders.problems import confluence_like, random_problem
from tests.builders.relaxed import relaxed, site_of

PER_PROBLEM = 3
CHANGED_SHARE = 0.01
TOGETHER = ({"DEADLINE", "KEEP"}, {"PAID", "KEEP"})
"""Either would do: a slot that has both is judged without both."""


@dataclass(frozen=True)
class Case:
    """A slot, and the reasons of it that are taken out."""

    problem: Problem
    plan: Plan
    options: PlanOptions
    slot: ChargingWhy
    reasons: list[Reason]

    @property
    def codes(self) -> str:
        return "+".join(reason.code for reason in self.reasons)

    def changes(self) -> bool:
        """Whether the slot differs without what the reasons name."""
        tried = relaxed(self.problem, self.plan, self.slot, self.reasons)
        again = planned(tried, self.plan, self.options)
        was, now = self._power_w(self.plan), self._power_w(again)
        least_w = max(CHANGED_SHARE * abs(self.slot.power_w), 1.0)
        return float(np.abs(now - was).mean()) > least_w

    def is_settled(self) -> bool:
        """Whether the slot stays as it is when nothing is taken out."""
        again = planned(self.problem, self.plan, self.options)
        return float(np.abs(self._power_w(again) - self._power_w(self.plan)).mean()) <= 1.0

    def _power_w(self, plan: Plan) -> NDArray[np.float64]:
        """The power in the slot: of the car or, under a limit, of all on its EVSEs."""
        slot, under = self.slot, self._under()
        power_w = np.zeros(slot.to_step - slot.from_step)
        for entry in plan.charging:
            if entry.evse in under if under else entry.vehicle == slot.vehicle:
                first = max(entry.from_step, slot.from_step) - slot.from_step
                last = min(entry.to_step, slot.to_step) - slot.from_step
                power_w[first : max(last, first)] += entry.power_w
        return power_w

    def _under(self) -> set[str]:
        """The EVSEs under the limit that is named, if one is."""
        if self.codes != "LIMIT":
            return set()
        site, numbers = site_of(self.problem, self.slot.evse), self.reasons[0].numbers
        if numbers["kind"] == "site":
            return {evse.id for evse in site.evses}
        parents = {circuit.id: circuit.parent for circuit in site.circuits}
        found: set[str] = set()
        for evse in site.evses:
            name = evse.circuit
            while name is not None and name != numbers["limit"]:
                name = parents[name]
            if name is not None:
                found.add(evse.id)
        return found


def planned(problem: Problem, former: Plan | None, options: PlanOptions) -> Plan:
    return make_plan(problem, incumbent=former, options=options, monotonic=time.perf_counter)


def cases(first_seed: int) -> Iterator[Case]:
    """Yields slots of random and of lifelike problems, with one of their reasons, without end."""
    seed = first_seed
    while True:
        random = Random(seed)
        lifelike = seed % 4 == 0
        problem = (
            confluence_like(seed, cars=6, sites=2, steps=96) if lifelike else random_problem(seed)
        )
        options = PlanOptions() if seed % 2 else OFFLINE
        plan = planned(problem, planned(problem, None, options), options)
        slots = explain(problem, plan).charging
        for slot in random.sample(slots, min(PER_PROBLEM, len(slots))):
            reasons = list(slot.reasons)
            if {reason.code for reason in reasons} not in TOGETHER:
                reasons = [random.choice(reasons)]
            yield Case(problem, plan, options, slot, reasons)
        seed += 1


@pytest.mark.parametrize("slots", [60, pytest.param(500, marks=pytest.mark.soak)])
def test_without_the_named_constraint_the_decision_is_another(slots: int) -> None:
    asked: Counter[str] = Counter()
    unmoved: Counter[str] = Counter()
    for case in cases(first_seed=1):
        if not case.is_settled():
            continue
        asked[case.codes] += 1
        if not case.changes():
            unmoved[case.codes] += 1
        if asked.total() == slots:
            break
    assert unmoved.total() <= 0.05 * slots, f"unmoved {dict(unmoved)} of {dict(asked)}"


@pytest.mark.parametrize("slots", [30, pytest.param(250, marks=pytest.mark.soak)])
def test_what_is_not_named_seldom_matters(slots: int) -> None:
    """Else the test above would pass whatever is named."""
    asked: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    for number, case in enumerate(cases(first_seed=1)):
        others = unnamed(case)
        other = replace(case, reasons=[others[number % len(others)]])
        asked[other.codes] += 1
        if other.changes():
            moved[other.codes] += 1
        if asked.total() == slots:
            break
    assert moved.total() <= 0.25 * slots, f"moved {dict(moved)} of {dict(asked)}"


def unnamed(case: Case) -> list[Reason]:
    """Returns what might have been named for a slot and was not."""
    problem, plan, slot = case.problem, case.plan, case.slot
    site = site_of(problem, slot.evse)
    here = next(
        stay
        for stay in plan.stays
        if stay.vehicle == slot.vehicle and stay.from_step <= slot.from_step < stay.to_step
    )
    dearest = max(site.import_price_per_kwh[here.from_step : here.to_step])
    starts = {booking.id: booking.start_step for booking in problem.bookings}
    ahead = [
        (starts[each.booking], each.booking)
        for each in plan.assignments
        if each.vehicle == slot.vehicle and starts[each.booking] >= slot.to_step
    ]
    might = [
        Reason("SUN", {}),
        Reason("PRICE", {"dearest_price_per_kwh": dearest}),
        Reason("MINIMUM", {}),
        Reason("LIMIT", {"kind": "site", "limit": site.id}),
        Reason("KEEP", {}),
    ]
    if ahead:
        might.append(Reason("DEADLINE", {"bookings": (min(ahead)[1],)}))
    named = {reason.code for reason in slot.reasons}
    named |= {"PRICE"} if "PAID" in named else set()
    return [reason for reason in might if reason.code not in named]
