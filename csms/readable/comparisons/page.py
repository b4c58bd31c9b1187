"""`comparison.html`: a what-if on one page, for a town councillor; it needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from csms.readable.comparisons.words import Row, answers, headline, rows, speech_of, title_of, told
from csms.readable.speech import Speech
from csms.readable.style import COMPARISON_STYLE, STYLE
from scheduler.explaining.words import Language

SIDES = ("today", "changed")
HEADINGS = (*SIDES, "difference")
_COLOURS = {
    "used_at_once": "#e8a317",
    "from_batteries_kwh": "#7a3fa0",
    "bought_kwh": "#7d8fb3",
    "fuel_kwh": "#b02a30",
    "sun_to_buildings_kwh": "#6b6b6b",
    "sun_to_cars_kwh": "#1f6fb2",
    "sun_to_batteries_kwh": "#b79bd0",
    "sold_kwh": "#f2d38b",
}
_WIDEST_PCT = 82
"""Of the line, for the longest bar: its sum stands behind it."""
_Pieces = Mapping[str, float]


def comparison_page(comparison: Mapping[str, Any], language: Language = "en") -> str:
    """Returns the comparison as a page.

    Args:
        comparison: the document of `comparison.json`.
        language: of the page.
    """
    speech = speech_of(language)
    name = html.escape(title_of(comparison, speech))
    say = _escaped(speech)
    zone = str(comparison["timezone"])
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}{COMPARISON_STYLE}</style></head><body><main>"
        f"<h1>{name}</h1><p class=headline>{html.escape(headline(comparison, speech))}</p>"
        f"{_answers(comparison, speech)}"
        f"<h2>{say('heading.changes')}</h2>{_listed(told(comparison, 'what_changes', speech))}"
        f"<h2>{say('heading.table')}</h2>{_table(comparison, speech)}{_bars(comparison, speech)}"
        f"{_taken(comparison, speech)}<h2>{say('heading.assumptions')}</h2>"
        f"{_listed(told(comparison, 'assumptions', speech))}"
        f"<p class=note>{say('note', zone=zone)}</p></main></body></html>\n"
    )


def cells(comparison: Mapping[str, Any], row: Row, speech: Speech) -> tuple[str, str, str]:
    """Returns a line of the table: today, changed, and the difference."""
    today, other = (comparison[side]["figures"].get(row.figure) for side in SIDES)
    gap = None if today is None or other is None else other - today
    shown_gap = "" if gap is None else row.shown(gap, speech, sign=True)
    return row.shown(today, speech), row.shown(other, speech), shown_gap


def _answers(comparison: Mapping[str, Any], speech: Speech) -> str:
    shown = "".join(
        f"<div><dt>{html.escape(each.question)}</dt><dd><b>{html.escape(each.figure)}</b>"
        f"{html.escape(' '.join(each.sentences))}</dd></div>"
        for each in answers(comparison, speech)
    )
    return f"<dl class=answers>{shown}</dl>"


def _table(comparison: Mapping[str, Any], speech: Speech) -> str:
    names = _escaped(speech)
    lines = "".join(
        f"<tr><td>{names(f'row.{row.figure}')}"
        + _small(f"row.{row.figure}.meaning", speech)
        + "</td>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells(comparison, row, speech))
        + "</tr>"
        for row in rows(comparison, speech)
    )
    head = "".join(f"<th scope=col>{names(f'heading.{name}')}</th>" for name in HEADINGS)
    return (
        f"<div class=scroll><table><thead><tr><th scope=col></th>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


def _small(code: str, speech: Speech) -> str:
    return f"<small>{html.escape(speech.say(code))}</small>" if speech.knows(code) else ""


def _taken(comparison: Mapping[str, Any], speech: Speech) -> str:
    """Returns what comes from the place's own days, where something does."""
    lines = told(comparison, "taken", speech)
    return f"<h2>{html.escape(speech.say('heading.taken'))}</h2>{_listed(lines)}" if lines else ""


def _listed(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"


def _bars(comparison: Mapping[str, Any], speech: Speech) -> str:
    """Returns four stacked bars, as long as their energies: where from, and where to."""
    bars = {
        f"bar.{what}.{side}": {
            name: kwh for name, kwh in pieces(comparison[side]["figures"]).items() if kwh > 0
        }
        for what, pieces in (("energy", _energy), ("sun", _sun))
        for side in SIDES
    }
    longest_kwh = max(sum(pieces.values()) for pieces in bars.values())
    if not longest_kwh:
        return ""
    lines = "".join(_bar(code, pieces, longest_kwh, speech) for code, pieces in bars.items())
    used = dict.fromkeys(name for pieces in bars.values() for name in pieces)
    key = "".join(
        f'<li><i style="background:{_COLOURS[name]}"></i>'
        f"{html.escape(speech.say(f'piece.{name}'))}</li>"
        for name in used
    )
    return (
        f"<figure><figcaption>{html.escape(speech.say('bars'))}</figcaption>"
        f"<ul class=key>{key}</ul><ul class=bars>{lines}</ul></figure>"
    )


def _bar(code: str, pieces: _Pieces, longest_kwh: float, speech: Speech) -> str:
    parts = "".join(
        f'<i style="width:{_WIDEST_PCT * kwh / longest_kwh:.2f}%;background:{_COLOURS[name]}"'
        f' title="{html.escape(speech.say(f"piece.{name}"))} {speech.measure(kwh, "kWh")}"></i>'
        for name, kwh in pieces.items()
    )
    whole = speech.measure(sum(pieces.values()), "kWh")
    return (
        f"<li><span>{html.escape(speech.say(code))}</span>"
        f"<span class=bar>{parts}<b>{whole}</b></span></li>"
    )


def _energy(figures: Mapping[str, Any]) -> _Pieces:
    at_once = figures["sun_to_buildings_kwh"] + figures["sun_to_cars_kwh"]
    names = ("from_batteries_kwh", "bought_kwh", "fuel_kwh")
    return {"used_at_once": at_once, **{name: figures[name] for name in names}}


def _sun(figures: Mapping[str, Any]) -> _Pieces:
    names = ("sun_to_buildings_kwh", "sun_to_cars_kwh", "sun_to_batteries_kwh", "sold_kwh")
    return {name: figures[name] for name in names}


def _escaped(speech: Speech) -> Callable[..., str]:
    def say(code: str, **shown: str) -> str:
        return html.escape(speech.say(code, **shown))

    return say
