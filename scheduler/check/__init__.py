"""The referee: judges a plan against its problem, rule by rule.

It is the gate that every plan passes before it is published, and it shares no code with the
solver: it knows the types of problem and plan and nothing else, and works every number out anew.
Tolerances are 1 W, 1 Wh and 1e-6 of a sum. It answers on any plan of the right types, however
absurd: unknown names, steps out of range and NaN are violations, never exceptions.

`places` judges trips, stays and EVSEs; `energy` charging and states of charge; `moves` what staff
is to do; `power` sites and circuits; `money` cost, bound, status and key figures; `reasons` why
bookings are unserved.
"""

from __future__ import annotations

import numpy as np

from scheduler.check.energy import judge_energy
from scheduler.check.findings import Findings, Violation
from scheduler.check.money import judge_figures
from scheduler.check.moves import judge_moves
from scheduler.check.places import Names, judge_places
from scheduler.check.power import judge_sites
from scheduler.check.reasons import judge_reasons
from scheduler.plan import Plan
from scheduler.problem import Problem

__all__ = ["Violation", "check"]


def check(problem: Problem, plan: Plan) -> tuple[Violation, ...]:
    """Returns every violation of the rules of planning; none means that the plan may be published.

    `problem` is one that `scheduler.problem.check_problem` accepts.
    """
    findings = Findings()
    names = Names.of(problem)
    # Absurd numbers overflow to infinity, which no comparison lets pass.
    with np.errstate(all="ignore"):
        itineraries = judge_places(problem, plan, names, findings)
        motion = judge_energy(problem, plan, names, itineraries, findings)
        judge_moves(problem, plan, names, motion, findings)
        flows = judge_sites(problem, plan, names, motion.powers, findings)
        judge_figures(problem, plan, names, motion.soc_wh, flows, findings)
        judge_reasons(problem, plan, names, motion, findings)
    return findings.all()
