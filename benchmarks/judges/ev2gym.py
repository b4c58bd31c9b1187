"""The contest in EV2Gym: our planner and each of its heuristics on the same days.

`V2GProfitPlusLoads` (a workplace with sun, building and cuts of the limit) and `V2GProfitMax` (the
same without) are the package's own configurations. What counts is the reward of each, with the
sign turned: cost of energy, 100 for each kW of overload in a step where it counts, and what
dissatisfied drivers cost. A heuristic is beaten if its drivers are no better off and it costs
more. Where it costs less because it charges less, the day is planned again for drivers who want
just what it gave them.

Source: S. Orfanoudakis et al., EV2Gym, IEEE T-ITS 2025; package `ev2gym` 2.0.0.
"""

from __future__ import annotations

import copy
import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.judges.ev2gym_foresight import satisfaction
from benchmarks.judges.ev2gym_strangers import Strangers
from benchmarks.judges.ev2gym_world import Forecasts, actions, car_name, moment_of, strangers_of
from benchmarks.judges.standing import Rolling
from benchmarks.judges.tables import middle, plans, table

CONFIGURATIONS = {
    "V2GProfitPlusLoads": "ProfitMax_TrPenalty_UserIncentives",
    "V2GProfitMax": "profit_maximization",
}
"""With the reward that the package has for each."""
HEURISTICS = (
    "ChargeAsFastAsPossible",
    "ChargeAsLateAsPossible",
    "ChargeAsFastAsPossibleToDesiredCapacity",
    "ChargeAsLateAsPossibleToDesiredCapacity",
    "RoundRobin",
    "RoundRobin_GF",
    "RoundRobin_GF_off_allowed",
    "RandomAgent",
    "DoNothing",
)
"""All but `ChargeAsFastAsPossibleWithPowerLimit`, which wants a power that nothing names."""
_CROWDED = "V2GProfitPlusLoads"
"""Where a building leaves so little of the transformer that cars to come need what is there."""
_LEARNT_FROM = range(1001, 1021)
"""Seeds of days that tell who may yet come; none of them is judged."""
SAME_SATISFACTION = 1e-4
"""Batteries are rounded to 10 Wh of some 60 kWh."""


@dataclass(frozen=True, slots=True)
class Day:
    """What one controller made of one day."""

    cost: float
    """The reward with the sign turned."""
    paid: float
    """For energy, less what was earned with it."""
    satisfaction: float
    """Mean over chargers of energy at departure over energy wanted."""
    charged_kwh: float
    given_kwh: float
    overload_kw: float
    """Sum over steps."""
    held_wh: Mapping[str, float]
    """By car: what it left with."""


@dataclass(frozen=True, slots=True)
class Duel:
    """Our day against that of a heuristic."""

    heuristic: str
    theirs: Day
    ours: Day
    matched: bool
    """Whether drivers only wanted what the heuristic gave."""

    @property
    def won(self) -> bool:
        least = self.theirs.satisfaction - SAME_SATISFACTION
        return self.ours.satisfaction >= least and self.ours.cost < self.theirs.cost


@dataclass(frozen=True, slots=True)
class Contest:
    """One day with all who played it."""

    seed: int
    whole: Day
    """Ours, for drivers who want what they want."""
    duels: tuple[Duel, ...]
    rolling: Rolling
    foresight: float | None
    """Where a heuristic's drivers were better off: what knowing all would have given ours."""

    def reached_all(self, duel: Duel) -> bool:
        """Returns whether a lost duel was lost by keeping the limit alone."""
        if duel.won or duel.matched or self.foresight is None:
            return False
        least = self.foresight - SAME_SATISFACTION
        return duel.ours.cost < duel.theirs.cost and duel.ours.satisfaction >= least


def environment(configuration: str, seed: int) -> Any:
    """Returns a day of the package, drawn from `seed`.

    Raises:
        ImportError: if the package, or one that it needs, is not installed.
    """
    import ev2gym  # noqa: PLC0415 - not among the requirements
    import yaml  # noqa: PLC0415 - comes with it
    from ev2gym.models.ev2gym_env import EV2Gym  # noqa: PLC0415
    from ev2gym.rl_agent import reward  # noqa: PLC0415

    home = Path(ev2gym.__file__).parent
    shipped = home / "example_config_files" / f"{configuration}.yaml"
    told = yaml.safe_load(shipped.read_text("utf-8"))
    # The only change: the file of cars is named from where the package lies.
    told["ev_specs_file"] = str(home.parent / told["ev_specs_file"])
    with tempfile.TemporaryDirectory(prefix="heliofleet-judges-") as folder:
        path = Path(folder) / "day.yaml"
        path.write_text(yaml.safe_dump(told), encoding="utf-8")
        return EV2Gym(
            config_file=str(path),
            seed=seed,
            reward_function=getattr(reward, CONFIGURATIONS[configuration]),
        )


def heuristic(name: str, env: Any) -> Callable[[Any], Any]:
    """Returns the rule of one of the package's heuristics."""
    from ev2gym.baselines import heuristics  # noqa: PLC0415

    return getattr(heuristics, name)(env=env).get_action


def ours(
    env: Any,
    rolling: Rolling,
    wanted: Mapping[str, float] | None = None,
    strangers: Strangers | None = None,
) -> Callable[[Any], Any]:
    """Returns our planner as such a rule; `wanted` (Wh, by car) replaces what drivers want.

    Room for cars to come is kept where `strangers` are given.
    """
    forecasts = {each.id: Forecasts() for each in env.transformers}

    def act(env: Any) -> Any:
        moment = moment_of(env, forecasts, wanted or {}, strangers)
        powers_w = rolling.powers_w(moment)[0] if moment.cars else {}
        return actions(env, powers_w)

    return act


def played(env: Any, act: Callable[[Any], Any], seed: int) -> Day:
    """Plays a day to its end."""
    np.random.seed(seed)  # `RandomAgent` draws from there
    done, stats = False, {}
    while not done:
        _, _, done, _, stats = env.step(act(env))
    return Day(
        cost=-float(stats["total_reward"]),
        paid=-float(stats["total_profits"]),
        satisfaction=float(stats["average_user_satisfaction"]),
        charged_kwh=float(stats["total_energy_charged"]),
        given_kwh=float(stats["total_energy_discharged"]),
        overload_kw=float(stats["total_transformer_overload"]),
        held_wh={car_name(ev): 1000 * float(ev.current_capacity) for ev in env.EVs},
    )


@functools.cache
def learnt(configuration: str) -> Strangers:
    """Returns what other days of a configuration say about cars to come."""
    return strangers_of([environment(configuration, seed) for seed in _LEARNT_FROM])


def contest(configuration: str, seed: int) -> Contest:
    """Plays one day with each heuristic, and with our planner as often as it takes."""
    env, rolling = environment(configuration, seed), Rolling()

    def planned(wanted: Mapping[str, float] | None = None) -> Day:
        fresh = copy.deepcopy(env)
        # What strangers want where drivers want what a heuristic gave nobody knows.
        known = configuration == _CROWDED and not wanted
        strangers = learnt(configuration) if known else None
        return played(fresh, ours(fresh, rolling, wanted, strangers), seed)

    whole = planned()
    again: dict[tuple[tuple[str, float], ...], Day] = {}
    duels: list[Duel] = []
    for name in HEURISTICS:
        fresh = copy.deepcopy(env)
        theirs = played(fresh, heuristic(name, fresh), seed)
        duel = Duel(name, theirs, whole, matched=False)
        if theirs.cost <= whole.cost and theirs.satisfaction < whole.satisfaction:
            key = tuple(sorted(theirs.held_wh.items()))
            if key not in again:
                again[key] = planned(theirs.held_wh)
            duel = Duel(name, theirs, again[key], matched=True)
        duels.append(duel)
    lacks = any(not duel.won and not duel.matched for duel in duels)
    foresight = satisfaction(copy.deepcopy(env)) if lacks else None
    return Contest(seed, whole, tuple(duels), rolling, foresight)


def run(configuration: str, seeds: range) -> Iterator[str]:
    """Yields the table of one configuration, after a line for each day as it is done."""
    found: list[Contest] = []
    for seed in seeds:
        each = contest(configuration, seed)
        found.append(each)
        lost = ", ".join(duel.heuristic for duel in each.duels if not duel.won)
        known = "" if each.foresight is None else f"; with foresight {each.foresight:.5f}"
        figures = f"cost {each.whole.cost:.2f}, satisfaction {each.whole.satisfaction:.5f}{known}"
        yield f"{configuration}, seed {seed}: {figures}; lost to {lost or 'none'}\n"
    yield f"\nEV2Gym, {configuration}\n\n{summary(found)}\n"


def summary(found: Sequence[Contest]) -> str:
    """Returns how many days were won against each heuristic, and the figures of all."""
    head = (
        "",
        "won",
        "of them as it charged",
        "lost by the limit alone",
        "cost",
        "energy cost",
        "satisfaction",
        "overload kW",
    )
    whole = [each.whole for each in found]
    rows = [("our planner", "", "", "", *_figures(whole))]
    for number, name in enumerate(HEURISTICS):
        duels = [each.duels[number] for each in found]
        won = [duel for duel in duels if duel.won]
        matched = sum(duel.matched for duel in won)
        reached = sum(each.reached_all(each.duels[number]) for each in found)
        rows.append(
            (
                name,
                f"{len(won)} of {len(duels)}",
                str(matched),
                str(reached),
                *_figures([duel.theirs for duel in duels]),
            )
        )
    told = "Cost, energy cost and overload: median / mean of a day."
    return f"{table(head, rows)}\n{told} {plans([each.rolling for each in found])}\n"


def _figures(days: Sequence[Day]) -> tuple[str, str, str, str]:
    return (
        middle([day.cost for day in days]),
        middle([day.paid for day in days]),
        f"{mean(day.satisfaction for day in days):.5f}",
        middle([day.overload_kw for day in days]),
    )
