"""The figures of a comparison as a table: today, changed and the difference, in all and by site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

COLUMNS = ("site_id", "figure", "today", "changed", "difference")


def figure_rows(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns a row for each figure, by the names of `COLUMNS`; `site_id` is None of all together.

    Args:
        comparison: the document of `comparison.json`.
    """
    today, changed = comparison["today"], comparison["changed"]
    found = list(_rows(None, today["figures"], changed["figures"]))
    for site, figures in today["sites"].items():
        found += _rows(site, figures, changed["sites"].get(site, {}))
    return found


def _rows(
    site: str | None, today: Mapping[str, Any], changed: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    for name, value in today.items():
        other = changed.get(name)
        gap = None if value is None or other is None else round(other - value, 6)
        yield dict(zip(COLUMNS, (site, name, value, other, gap), strict=True))
