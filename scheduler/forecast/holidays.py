"""Public holidays: days on which people do what they do on Sundays."""

from __future__ import annotations

from collections.abc import Container
from datetime import date
from functools import lru_cache

import holidays as calendars


def is_region(name: str) -> bool:
    """Returns whether the public holidays of a region are known: ISO 3166-1, or -2 of its parts."""
    country, _, part = name.partition("-")
    known = calendars.list_supported_countries(include_aliases=False)
    return country in known and (not part or part in known[country])


@lru_cache(maxsize=64)
def public_holidays(region: str | None) -> Container[date]:
    """Returns the public holidays of a region, of any year; None: there are none.

    Raises:
        ValueError: for a region that is not known.
    """
    if region is None:
        return frozenset[date]()
    if not is_region(region):
        raise ValueError(f"no public holidays are known of {region}")
    country, _, part = region.partition("-")
    return calendars.country_holidays(country, subdiv=part or None)
