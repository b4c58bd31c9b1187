"""Quirks of simulated stations: which there are, and who gets which.

The catalogue is `models.quirks`, gathered from the issue trackers of central systems in the field.
Each is played in one place: words in `simulators.odd_words`, times in `simulators.odd_times`, what
is done with limits in `simulators.odd_limits`, deeds in `simulators.odd_station`, and the handshake
in `simulators.line`. Faults, which happen at a time and end, are in `simulators.faults`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.errors import BadInput
from models.quirks import CATALOGUE

QUIRKS: dict[str, str] = {
    quirk.id: quirk.does
    + ("" if len(quirk.versions) > 1 else f" ({', '.join(quirk.versions)} only)")
    for quirk in CATALOGUE.values()
}


def check_quirks(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the names (`all` stands for every quirk), sorted and each once.

    Raises:
        BadInput: if one is not known.
    """
    wanted = list(names)
    if "all" in wanted:
        return tuple(sorted(QUIRKS))
    for name in wanted:
        if name not in QUIRKS:
            raise BadInput(f"unknown quirk {name!r}; known: all, {', '.join(sorted(QUIRKS))}")
    return tuple(sorted(set(wanted)))


def deal(names: Sequence[str], stations: Sequence[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Returns which station gets which quirk: one station each, where the version can have it.

    `stations` are identities with their subprotocols. Dealing goes round and is no chance, so
    that asking for one more quirk leaves the others where they were only by their order. Two of a
    family come to one station only where there are more of them than stations.
    """
    dealt: dict[str, set[str]] = {}
    turn = 0
    for name in names:
        quirk = CATALOGUE[name]
        fitting = [
            identity
            for identity, subprotocol in stations
            if subprotocol.removeprefix("ocpp") in quirk.versions
        ]
        if not fitting:
            continue
        round_from_here = [fitting[(turn + step) % len(fitting)] for step in range(len(fitting))]
        free = (each for each in round_from_here if not _clashes(name, dealt.get(each, ())))
        dealt.setdefault(next(free, round_from_here[0]), set()).add(name)
        turn += 1
    return {identity: frozenset(quirks) for identity, quirks in dealt.items()}


def _clashes(name: str, others: Iterable[str]) -> bool:
    family = CATALOGUE[name].family
    return bool(family) and any(CATALOGUE[other].family == family for other in others)
