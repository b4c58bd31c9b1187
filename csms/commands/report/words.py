"""The figures of a run in words: names of policies, what stands at the top, what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from csms.readable.runs import english, french, german
from csms.readable.speech import Speech, Tables
from models.timeline import parse_rfc3339
from scheduler.explaining.words import Language
from simulators.scorecard import SiteTruth

SUNMOOV_MEAN = 0.67
SUNMOOV_SUMMER = 0.80
"""Share of the roof's energy that went into cars: mean, and on long summer days, as the Sunmoov'
service in Lyon Confluence published it (Environnement Magazine, 8 February 2016)."""

TABLES: Tables = {"en": english.SENTENCES, "fr": french.SENTENCES, "de": german.SENTENCES}


def speech_of(language: Language) -> Speech:
    """Returns who says reports of runs in a language."""
    return Speech(language, TABLES)


def sunmoov(speech: Speech) -> dict[str, str]:
    """Returns what Sunmoov' published, by the names that sentences have for it."""
    return {"mean": speech.percent(SUNMOOV_MEAN), "summer": speech.percent(SUNMOOV_SUMMER)}


def title_of(report: Mapping[str, Any], zone: ZoneInfo, speech: Speech) -> str:
    """Returns what was played, and when by the clocks of the place."""
    start = local(report["start"], zone)
    name = str(report["scenario"]).capitalize()
    return speech.counted("title", report["days"], name=name, day=speech.day(start.date()))


def headline(report: Mapping[str, Any], speech: Speech) -> str:
    """Returns the main figure in one sentence."""
    share = report["policies"]["plan"]["pv_to_cars_utilisation"]
    if share is None:
        return speech.say("headline.no_sun")
    return speech.say("headline", share=speech.percent(share, 1))


def story(report: Mapping[str, Any], speech: Speech) -> list[str]:
    """Returns what a reader wants to know first, a few sentences each."""
    policies = report["policies"]
    plan, free = policies["plan"], policies["uncontrolled"]
    paragraphs: list[str] = []
    if plan["pv_to_cars_utilisation"] is not None:
        shares = {
            name: _percent(policies[name], speech)
            for name in ("uncontrolled", "surplus", "pv_maximum")
        }
        paragraphs.append(speech.say("story.sunmoov", **sunmoov(speech), **shares))
    paragraphs.append(booked(report, speech))
    paragraphs.append(
        speech.say(
            "story.cost",
            cost=_money(plan, report, speech),
            change=_change(plan["energy_cost"], free["energy_cost"], speech),
            free_cost=_money(free, report, speech),
            peak=_peak(plan, speech),
            free_peak=_peak(free, speech),
        )
    )
    return paragraphs


def booked(report: Mapping[str, Any], speech: Speech) -> str:
    """Returns what became of the bookings, and of what was asked for."""
    bookings = report["bookings"]
    counts = {**bookings, "over": bookings["served"] + bookings["missed"]}
    return speech.say("story.bookings", **_numbers(counts, speech))


def policy_row(report: Mapping[str, Any], name: str, speech: Speech) -> tuple[str, str]:
    """Returns a policy's name and meaning; what was played may have been planned by another."""
    planner = report["planner"]
    if name == "plan" and planner != "plan":
        played = speech.say("policy.other", policy=speech.say(f"policy.{planner}"))
        return played, speech.say("policy.other.meaning")
    return speech.say(f"policy.{name}"), speech.say(f"policy.{name}.meaning")


def happenings(report: Mapping[str, Any], speech: Speech) -> list[tuple[str, str]]:
    """Returns what else happened, as rows of a name and a sentence."""
    messages = ", ".join(
        speech.say("happened.messages.said", count=speech.number(count), version=name)
        for name, count in report["messages"].items()
    )
    quirks = (f"{name} ({', '.join(each)})" for name, each in report["quirks"].items())
    rows = [
        ("messages", messages),
        ("limits", speech.say("happened.limits.said", **_numbers(report["limits"], speech))),
        ("circuits", _circuits(report["circuits"], speech)),
        ("forecast", _forecast(report["forecast"]["skill_vs_persistence"], speech)),
        ("faults", ", ".join(report["faults"])),
        ("quirks", "; ".join(quirks)),
        ("complaints", "; ".join(report["complaints"][:10])),
    ]
    return [(speech.say(f"happened.{name}"), words) for name, words in rows if words]


def _numbers(counts: Mapping[str, Any], speech: Speech) -> dict[str, str]:
    return {name: speech.number(count) for name, count in counts.items()}


def _circuits(circuits: Mapping[str, Any], speech: Speech) -> str:
    return speech.say(
        "happened.circuits.said",
        share=speech.percent(circuits["highest_load_share"]),
        over=speech.short(circuits["over_limit_minutes"]),
        beyond=speech.short(circuits["over_limit_beyond_reaction_minutes"]),
    )


def _forecast(skill: float | None, speech: Speech) -> str:
    if skill is None:
        return ""
    way = "less" if skill >= 0 else "more"
    return speech.say(f"happened.forecast.{way}", share=speech.percent(abs(skill)))


def site_caption(site: SiteTruth, hours: float, speech: Speech) -> str:
    """Returns a site's days in a sentence.

    Args:
        site: what happened there.
        hours: length of a step.
        speech: of the language.
    """
    rows = list(zip(site.pv_power_w, site.load_power_w, site.charging_power_w, strict=True))
    sun_kwh, building_kwh, cars_kwh = (sum(row[n] for row in rows) * hours / 1000 for n in range(3))
    left_kwh = sum(max(0.0, sun - load) for sun, load, _ in rows) * hours / 1000
    used_kwh = sum(min(cars, max(0.0, sun - load)) for sun, load, cars in rows) * hours / 1000
    highest_kw = max((load + cars - sun for sun, load, cars in rows), default=0.0) / 1000
    share = ""
    if left_kwh > 0:
        share = speech.say("caption.share", share=speech.percent(used_kwh / left_kwh))
    return speech.say(
        "caption.site",
        sun=speech.measure(sun_kwh, "kWh"),
        building=speech.measure(building_kwh, "kWh"),
        cars=speech.measure(cars_kwh, "kWh"),
        used=speech.measure(used_kwh, "kWh"),
        share=share,
        highest=speech.measure(max(0.0, highest_kw), "kW", 1),
        allowed=speech.measure(site.import_limit_w / 1000, "kW"),
    )


def tiles(report: Mapping[str, Any], speech: Speech) -> Sequence[tuple[str, str]]:
    """Returns the four figures that matter most, each with what it is."""
    plan, bookings = report["policies"]["plan"], report["bookings"]
    over = speech.number(bookings["served"] + bookings["missed"])
    figures = {
        "sun": _percent(plan, speech),
        "bookings": f"{speech.number(bookings['served'])} / {over}",
        "cost": _money(plan, report, speech),
        "peak": _peak(plan, speech),
    }
    return [(figure, speech.say(f"tile.{name}")) for name, figure in figures.items()]


def local(instant: str, zone: ZoneInfo) -> datetime:
    """Returns an instant by the clocks of a place."""
    return parse_rfc3339(instant).astimezone(zone)


def _money(policy: Mapping[str, Any], report: Mapping[str, Any], speech: Speech) -> str:
    return speech.measure(policy["energy_cost"], speech.currency(report["currency"]), 2)


def _peak(policy: Mapping[str, Any], speech: Speech) -> str:
    return speech.measure(policy["peak_import_w"] / 1000, "kW", 1)


def _percent(figures: Mapping[str, Any], speech: Speech) -> str:
    share = figures["pv_to_cars_utilisation"]
    return speech.say("no_share") if share is None else speech.percent(share, 1)


def _change(value: float, other: float, speech: Speech) -> str:
    if other <= 0:
        return speech.say("change.none")
    share = 1 - value / other
    return speech.say(
        f"change.{'less' if share >= 0 else 'more'}", share=speech.percent(abs(share))
    )
