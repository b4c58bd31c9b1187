"""The figures of a run in words: names of policies, what stands at the top, what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from models.timeline import parse_rfc3339
from simulators.scorecard import SiteTruth

SUNMOOV_MEAN = 0.67
SUNMOOV_SUMMER = 0.80
"""Share of the roof's energy that went into cars: mean, and on long summer days, as the Sunmoov'
service in Lyon Confluence published it (Environnement Magazine, 8 February 2016)."""

POLICY_NAMES = {
    "plan": "plan, as played",
    "uncontrolled": "uncontrolled",
    "surplus": "following the surplus",
    "perfect_foresight": "perfect foresight",
    "pv_maximum": "most sun possible",
}
POLICY_MEANINGS = {
    "plan": "bookings and charging planned together, against the forecasts; what was played",
    "uncontrolled": "each car charges at full power as soon as it is plugged in",
    "surplus": "each site lets its cars draw what the roof has just been measured to spare",
    "perfect_foresight": "least cost, knowing all trips and all clouds before: a bound",
    "pv_maximum": "most sun into cars, knowing all before: a bound",
}


def title_of(report: Mapping[str, Any], zone: ZoneInfo) -> str:
    """Returns what was played, and when by the clocks of the place."""
    days = report["days"]
    start = _local(report["start"], zone)
    name = str(report["scenario"]).capitalize()
    return f"{name}, {days} day{'s' if days != 1 else ''} from {start:%d %B %Y}"


def headline(report: Mapping[str, Any]) -> str:
    """Returns the main figure in one sentence."""
    share = report["policies"]["plan"]["pv_to_cars_utilisation"]
    if share is None:
        return "There was no sun left over for the cars."
    return f"{share:.1%} of the sun that the buildings left over went into the cars."


def story(report: Mapping[str, Any]) -> list[str]:
    """Returns what a reader wants to know first, a few sentences each."""
    policies, bookings = report["policies"], report["bookings"]
    plan, free = policies["plan"], policies["uncontrolled"]
    paragraphs: list[str] = []
    if plan["pv_to_cars_utilisation"] is not None:
        paragraphs.append(
            "Sunmoov', the car-sharing service with solar charging that ran in Lyon Confluence"
            f" from 2013 to 2015, published {SUNMOOV_MEAN:.0%} on average and {SUNMOOV_SUMMER:.0%}"
            " on long summer days. It measured years; these are simulated days: a yardstick, no"
            " race. On the same days and bookings, cars that charge as soon as they are plugged in"
            f" take {_percent(free)}, following the measured surplus"
            f" {_percent(policies['surplus'])}, and nobody who knew everything before could take"
            f" more than {_percent(policies['pv_maximum'])}."
        )
    over = bookings["served"] + bookings["missed"]
    paragraphs.append(
        f"{bookings['served']} of {over} bookings that are over were served, {bookings['missed']}"
        f" missed. Of {bookings['requested']} requests {bookings['accepted']} were accepted"
        f" ({bookings['open']} not over yet, {bookings['cancelled']} cancelled) and"
        f" {bookings['refused']} refused."
    )
    paragraphs.append(
        f"The cars' energy cost {plan['energy_cost']:.2f} {report['currency']},"
        f" {_change(plan['energy_cost'], free['energy_cost'])} than uncontrolled"
        f" ({free['energy_cost']:.2f} {report['currency']}). No site drew more than"
        f" {plan['peak_import_w'] / 1000:.1f} kW from the grid, where uncontrolled charging takes"
        f" {free['peak_import_w'] / 1000:.1f} kW."
    )
    return paragraphs


def policy_row(report: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Returns a policy's name and meaning; what was played may have been planned by another."""
    planner = report["planner"]
    if name == "plan" and planner != "plan":
        return f"as played ({POLICY_NAMES[planner]})", "what was played, with that planner"
    return POLICY_NAMES[name], POLICY_MEANINGS[name]


def happenings(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns what else happened, as rows of a name and a sentence."""
    messages = ", ".join(f"{count:,} in {name}" for name, count in report["messages"].items())
    quirks = (f"{name} ({', '.join(each)})" for name, each in report["quirks"].items())
    rows = [
        ("OCPP messages", messages),
        ("Limits to stations", _limits(report["limits"])),
        ("Circuits", _circuits(report["circuits"])),
        ("Forecast of the sun", _forecast(report["forecast"]["skill_vs_persistence"])),
        ("Faults on purpose", ", ".join(report["faults"])),
        ("Stations with quirks", "; ".join(quirks)),
        ("Complaints of the stations", "; ".join(report["complaints"][:10])),
    ]
    return [(name, words) for name, words in rows if words]


def _limits(limits: Mapping[str, Any]) -> str:
    return (
        f"{limits['sent']:,} sent by the service; stations accepted {limits['accepted']:,},"
        f" rejected {limits['rejected']:,} and did not keep {limits['disobeyed']:,}, of which the"
        f" service noticed {limits['disobeyed_noticed']:,}"
    )


def _circuits(circuits: Mapping[str, Any]) -> str:
    return (
        f"highest load {circuits['highest_load_share']:.0%} of the limit;"
        f" {circuits['over_limit_minutes']:g} minutes over it,"
        f" {circuits['over_limit_beyond_reaction_minutes']:g} of them longer than a station takes"
        f" to react"
    )


def _forecast(skill: float | None) -> str:
    if skill is None:
        return ""
    errs = f"errs {abs(skill):.0%} {'less' if skill >= 0 else 'more'}"
    return f"over six hours it {errs} than a sky that stays as clear as in the last hour"


def site_caption(site: SiteTruth, hours: float) -> str:
    """Returns a site's days in a sentence.

    Args:
        site: what happened there.
        hours: length of a step.
    """
    rows = list(zip(site.pv_power_w, site.load_power_w, site.charging_power_w, strict=True))
    sun_kwh, building_kwh, cars_kwh = (sum(row[n] for row in rows) * hours / 1000 for n in range(3))
    left_kwh = sum(max(0.0, sun - load) for sun, load, _ in rows) * hours / 1000
    used_kwh = sum(min(cars, max(0.0, sun - load)) for sun, load, cars in rows) * hours / 1000
    highest_kw = max((load + cars - sun for sun, load, cars in rows), default=0.0) / 1000
    share = f", {used_kwh / left_kwh:.0%} of what was left over" if left_kwh > 0 else ""
    return (
        f"Sun {sun_kwh:.0f} kWh, building {building_kwh:.0f} kWh, cars {cars_kwh:.0f} kWh, of which"
        f" {used_kwh:.0f} kWh from the roof{share}. Highest import"
        f" {max(0.0, highest_kw):.1f} kW of {site.import_limit_w / 1000:.0f} kW allowed."
    )


def tiles(report: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """Returns the four figures that matter most, each with what it is."""
    plan, bookings = report["policies"]["plan"], report["bookings"]
    return (
        (_percent(plan), "of the sun left over went into cars"),
        (f"{bookings['served']} / {bookings['served'] + bookings['missed']}", "bookings served"),
        (f"{plan['energy_cost']:.2f} {report['currency']}", "energy cost of the cars"),
        (f"{plan['peak_import_w'] / 1000:.1f} kW", "highest import of any site"),
    )


def _local(instant: str, zone: ZoneInfo) -> datetime:
    return parse_rfc3339(instant).astimezone(zone)


def _percent(figures: Mapping[str, Any]) -> str:
    share = figures["pv_to_cars_utilisation"]
    return "no share" if share is None else f"{share:.1%}"


def _change(value: float, other: float) -> str:
    if other <= 0:
        return "not less"
    share = 1 - value / other
    return f"{abs(share):.0%} {'less' if share >= 0 else 'more'}"
