"""What a scenario from history has of the rows, and what it has not, in English sentences.

Its counts say the same in every language: see `csms.readable.comparisons.facts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from csms.readable.comparisons.facts import Said, past_assumed, past_taken
from csms.readable.comparisons.words import sentence, speech_of


def told_taken(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Returns what was taken from history.

    Args:
        counts: as `History.counts` has them.
    """
    return _in_english(past_taken(counts))


def told_assumed(counts: Mapping[str, int], days: int) -> tuple[str, ...]:
    """Returns what history does not tell, and what was done instead.

    Args:
        counts: as `History.counts` has them.
        days: how many.
    """
    return _in_english(past_assumed(counts, days))


def _in_english(found: Iterable[Said]) -> tuple[str, ...]:
    speech = speech_of("en")
    return tuple(sentence(each, speech) for each in found)
