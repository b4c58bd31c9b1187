"""Why a booking is accepted or refused when it is asked for: what `scheduler.admit` answers."""

from __future__ import annotations

from scheduler.admit import Answer, Wish
from scheduler.explaining.picture import Number, Reason
from scheduler.reach import AdmissionRules


def refusal_whys(answer: Answer, wish: Wish, rules: AdmissionRules) -> tuple[Reason, ...]:
    """Returns why no car can be promised, with how many cars each reason stops."""
    found: list[Reason] = []
    for each in answer.reasons:
        numbers: dict[str, Number] = {"cars": each.cars}
        says = each.code
        if each.code == "HORIZON":
            numbers["days"] = rules.horizon.days
        elif each.code == "SPACE":
            numbers["site"] = wish.dropoff_site
        elif each.code == "CLASS" and not each.cars:
            says = "CLASS.none"
        found.append(Reason(each.code, numbers, says))
    return tuple(found)


def promise_whys(answer: Answer, solar_share: float | None) -> tuple[Reason, ...]:
    """Returns why a booking is accepted on the first car offered."""
    offer = answer.offers[0]
    holds = {
        "vehicle": offer.vehicle_id,
        "soc_pct": offer.expected_soc_pct,
        "slack_wh": offer.slack_wh,
    }
    found = [Reason("READY", holds, "READY.promise")]
    if offer.slack_minutes is not None:
        found.append(Reason("PAUSE", {"pause_minutes": offer.slack_minutes}))
    if len(answer.offers) > 1:
        found.append(Reason("CHOICE", {"others": len(answer.offers) - 1}, "CHOICE.promise"))
    if solar_share is not None:
        found.append(Reason("SUN", {"solar_pct": 100 * solar_share}, "SUN.promise"))
    return tuple(found)
