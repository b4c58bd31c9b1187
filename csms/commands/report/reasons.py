"""The part of the report that shows one plan and why it was so: what each car did at its time.

The sentences are those of REST and of `heliofleet plan --explain`: see `scheduler.explaining`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from models.timeline import parse_rfc3339

_MOST_ROWS = 40


def explained(why: Mapping[str, Any] | None, zone: ZoneInfo) -> str:
    """Returns the section about a plan, as markup; nothing where there is no plan.

    Args:
        why: a plan's explanation, as `/plans/{plan_id}/explanation` shows it.
        zone: of the place.
    """
    if why is None or not why["vehicles"]:
        return ""
    at = parse_rfc3339(why["vehicles"][0]["at"]).astimezone(zone)
    rows = [
        (each["vehicle"], each["state"], each["reasons"]) for each in why["vehicles"][:_MOST_ROWS]
    ]
    rows += [(each["booking"], "no car", each["reasons"]) for each in why["unserved"][:_MOST_ROWS]]
    return (
        "<h2>One plan, and why it was so</h2>"
        f"<p class=note>What each car did on {at:%d %B at %H:%M} and the reasons that the service"
        " gave for it; times in them are UTC.</p>"
        f"<div class=scroll><table class=facts>{''.join(_row(*row) for row in rows)}</table></div>"
    )


def _row(name: str, state: str, reasons: Sequence[Mapping[str, Any]]) -> str:
    return f"<tr>{''.join(_cells(name, state, '; '.join(_words(reasons))))}</tr>"


def _words(reasons: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    return (f"{each['code']}: {each['sentence']}" for each in reasons)


def _cells(*texts: str) -> Iterable[str]:
    return (f"<td>{html.escape(text)}</td>" for text in texts)
