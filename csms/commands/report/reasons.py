"""The part of the report that shows one plan and why it was so: what each car did at its time.

The sentences are those of REST and of `heliofleet plan --explain`: see `scheduler.explaining`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from csms.commands.report.words import local
from csms.readable.speech import Speech

_MOST_ROWS = 40


def explained(why: Mapping[str, Any] | None, zone: ZoneInfo, speech: Speech) -> str:
    """Returns the section about a plan, as markup; nothing where there is no plan.

    Args:
        why: a plan's explanation, as `/plans/{plan_id}/explanation` shows it.
        zone: of the place.
        speech: of the language, which is that of the explanation.
    """
    if why is None or not why["vehicles"]:
        return ""
    at = local(why["vehicles"][0]["at"], zone)
    rows = [
        (each["vehicle"], speech.say(f"why.{each['state']}"), each["reasons"])
        for each in why["vehicles"][:_MOST_ROWS]
    ]
    no_car = speech.say("why.no_car")
    rows += [(each["booking"], no_car, each["reasons"]) for each in why["unserved"][:_MOST_ROWS]]
    note = speech.say("note.why", day=speech.day_of_year(at.date()), hour=f"{at:%H:%M}")
    return (
        f"<h2>{html.escape(speech.say('heading.why'))}</h2>"
        f"<p class=note>{html.escape(note)}</p>"
        f"<div class=scroll><table class=facts>{''.join(_row(*row) for row in rows)}</table></div>"
    )


def _row(name: str, state: str, reasons: Sequence[Mapping[str, Any]]) -> str:
    return f"<tr>{''.join(_cells(name, state, '; '.join(_words(reasons))))}</tr>"


def _words(reasons: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    return (f"{each['code']}: {each['sentence']}" for each in reasons)


def _cells(*texts: str) -> Iterable[str]:
    return (f"<td>{html.escape(text)}</td>" for text in texts)
