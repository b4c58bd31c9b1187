"""Why a booking is as it is, in words: English ones with a code before, and those of a language.

What is stored with a booking is both its English words and what they were made from, so that it
can be told in any language later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scheduler.admit import Answer, Wish
from scheduler.explaining.bookings import promise_whys, refusal_whys
from scheduler.explaining.picture import Number, Reason
from scheduler.explaining.told import Teller
from scheduler.explaining.words import Language
from scheduler.plan import Unserved
from scheduler.reach import AdmissionRules, Promise

Kept = str | dict[str, Any]
"""A reason as it is stored: its words, `says` and `numbers`; the words alone by older versions."""


def promise_reasons(answer: Answer, solar_share: float | None) -> list[Kept]:
    """Returns why a booking is accepted on the first car offered."""
    offer = answer.offers[0]
    others = len(answer.offers) - 1
    plural = "s" if others > 1 else ""
    soc_pct, slack_wh = offer.expected_soc_pct, offer.slack_wh
    words = {
        "READY": f"{offer.vehicle_id} can hold {soc_pct:.0f} % at the start, {slack_wh / 1000:.1f}"
        " kWh more than this trip and those after it need",
        "PAUSE": f"{offer.slack_minutes or 0:.0f} minutes to spare between its trips",
        "CHOICE": f"surer or better used than {others} other car{plural}",
        "SUN": _sun_words(solar_share or 0.0),
    }
    return [_kept(why, words[why.code]) for why in promise_whys(answer, solar_share)]


def planned_reasons(
    vehicle_id: str, soc_pct: float, slack_wh: float, solar_share: float | None
) -> list[Kept]:
    """Returns how the plan serves a booking.

    Args:
        vehicle_id: the car that the plan gives it.
        soc_pct: its charge at the start.
        slack_wh: what is left of it after the trip, beyond what the car always keeps.
        solar_share: of what it charges for the trip.
    """
    # As round as the words: a booking is written again only where a reader would see a change.
    slack_kwh = round(slack_wh / 1000, 1)
    holds = {"vehicle": vehicle_id, "soc_pct": round(soc_pct), "slack_wh": round(slack_kwh * 1000)}
    words = (
        f"{vehicle_id} is planned to hold {soc_pct:.0f} % at the start,"
        f" {slack_wh / 1000:.1f} kWh more than the trip takes"
    )
    found = [_kept(Reason("READY", holds, "READY.planned"), words)]
    if solar_share is not None:
        sun = Reason("SUN", {"solar_pct": round(100 * solar_share)}, "SUN.promise")
        found.append(_kept(sun, _sun_words(solar_share)))
    return found


def _sun_words(solar_share: float) -> str:
    return f"{solar_share:.0%} of what it charges for the trip comes from the roof"


def unserved_reasons(unserved: Unserved) -> list[Kept]:
    """Returns why the plan can't serve a booking."""
    return [_kept(Reason(unserved.code, {}, f"{unserved.code}.at_risk"), unserved.detail)]


def _kept(why: Reason, words: str) -> Kept:
    told = f"{why.code}: {words}"
    return {"words": told, "says": why.says or why.code, "numbers": dict(why.numbers)}


def refusal_reasons(answer: Answer) -> list[str]:
    """Returns why no car can be promised, in words with a code before."""
    return [f"{reason.code}: {reason.detail}" for reason in answer.reasons]


def in_words(kept: Iterable[Kept]) -> list[str]:
    """Returns stored reasons in English words with a code before."""
    return [each if isinstance(each, str) else each["words"] for each in kept]


def told_answer(
    answer: Answer,
    wish: Wish,
    rules: AdmissionRules,
    solar_share: float | None,
    language: Language,
) -> list[dict[str, Any]]:
    """Returns why a booking is accepted or refused: codes, numbers, sentences in a language."""
    if not answer.bookable:
        return Teller(language, "").reasons(refusal_whys(answer, wish, rules))
    offer = answer.offers[0]
    bound = _bound(offer.bound_by, offer.probability_ready)
    return Teller(language, "").reasons([*promise_whys(answer, solar_share), *bound])


def told_kept(
    kept: Iterable[Kept],
    bound_by: str | None,
    probability: float | None,
    language: Language,
) -> list[dict[str, Any]]:
    """Returns the reasons of a booking, told like `told_answer`.

    What an older version has stored comes with its English words and without numbers, what a newer
    one has stored and this one has no sentence for with its English words and its numbers.

    Args:
        kept: as they are stored.
        bound_by: what stands against the booking most: `energy` or `return`.
        probability: of the car to be ready.
        language: of the sentences.
    """
    teller, found = Teller(language, ""), list[dict[str, Any]]()
    for each in kept:
        if isinstance(each, str):
            code, _, words = each.partition(": ")
            found.append({"code": code, "numbers": {}, "sentence": words})
        else:
            found += _told_again(each, teller)
    return found + teller.reasons(_bound(bound_by, probability))


def _told_again(kept: Mapping[str, Any], teller: Teller) -> list[dict[str, Any]]:
    code = str(kept["says"]).partition(".")[0]
    try:
        return teller.reasons([Reason(code, kept["numbers"], kept["says"])])
    except KeyError:  # no such sentence here, or one with other numbers
        words = str(kept["words"]).removeprefix(f"{code}: ")
        return [{"code": code, "numbers": kept["numbers"], "sentence": words}]


def _bound(bound_by: str | None, probability: float | None) -> list[Reason]:
    if bound_by is None or not probability:
        return []
    numbers: Mapping[str, Number] = {"probability_pct": 100 * probability}
    return [Reason("BOUND", numbers, f"BOUND.{bound_by}")]


def told_extension(stopped: Promise, language: Language) -> list[dict[str, Any]]:
    """Returns why a trip can't last as long, told like `told_answer`: `stopped` is what follows."""
    return Teller(language, "").reasons([Reason("PROMISED", {"next_at": stopped.start})])
