"""What a scenario from history has of the rows, and what it has not, in sentences for people."""

from __future__ import annotations

from collections.abc import Mapping


def told_taken(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Returns what was taken from history.

    Args:
        counts: as `History.counts` has them.
    """
    return (
        (
            f"Equipment as it is stored now: {counts['sites']} sites, {counts['stations']} stations"
            f" with {counts['evses']} EVSEs, {counts['vehicles']} vehicles."
        ),
        (
            f"{counts['bookings']} bookings of {counts['drivers']} people, asked for when they"
            f" were: {counts['bookings_cancelled']} of them cancelled,"
            f" {counts['bookings_not_fetched']} not fetched."
        ),
        (
            f"{counts['trips']} trips with the times of leaving and return; of"
            f" {counts['trips_with_energy']} the energy that they took, of"
            f" {counts['trips_with_plug_in']} when the car was plugged in afterwards."
        ),
        (
            f"Sun in {counts['sun_steps']} and load of buildings in {counts['load_steps']}"
            " quarters of an hour of a site, as measured."
        ),
        f"Prices as stored for {counts['price_steps']} quarters of an hour of a site.",
    )


def told_assumed(
    counts: Mapping[str, int], odd: Mapping[str, int], *, told_soc: bool, days: int
) -> tuple[str, ...]:
    """Returns what history does not tell, and what was done instead.

    Args:
        counts: as `History.counts` has them.
        odd: what was not drawn as it is stored, and how often.
        told_soc: whether anybody told how full cars were.
        days: how many.
    """
    found = [
        (
            f"Today is these {days} days played again by the service as it is now, not what bills"
            " said: it may give a booking another car than then."
        ),
        "Whoever was refused then left no booking, and does not ask here.",
        "Cars stand at home at the start, as full as they were at their first trips in the mean."
        if told_soc
        else "Cars stand at home at the start, 80 % full: nobody told how full they were.",
    ]
    found += [text.format(count=counts[name]) for name, text in _COUNTED.items() if counts[name]]
    unknown = counts["trips"] - counts["trips_with_energy"]
    if unknown:
        found.append(f"{unknown} trips took what their distance takes in the mean.")
    unplugged = counts["trips"] - counts["trips_with_plug_in"]
    if unplugged:
        found.append(f"After {unplugged} trips cars are plugged in at once.")
    found += [
        f"Not played as stored: {count} {what}." for what, count in sorted(odd.items()) if count
    ]
    return tuple(found)


_COUNTED = {
    "bookings_under_way": "{count} bookings that had begun before are left out.",
    "bookings_asked_before": (
        "{count} bookings were made before these days; they are asked for in the first half hour."
    ),
    "bookings_called_off_at_once": (
        "{count} bookings that were cancelled before they could be asked for here are left out."
    ),
    "sun_steps_filled": (
        "{count} quarters of an hour of sun were not measured; they have the clearness between"
        " their neighbours."
    ),
    "load_steps_filled": (
        "{count} quarters of an hour of load were not measured; up to an hour a straight line fills"
        " them, longer gaps have the mean of the same time on the other days."
    ),
    "sites_without_load": "At {count} sites no load of a building was measured; there is none.",
    "price_steps_assumed": (
        "For {count} quarters of an hour of a site no price is stored; they have those that plans"
        " assume, 0.20 bought and 0.06 sold."
    ),
    "names_changed": "{count} sites or stations have other names here, since a file allows fewer.",
}
