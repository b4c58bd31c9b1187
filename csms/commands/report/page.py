"""`report.html`: one file that needs nothing else, for people who were not there."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from csms.commands.report.figures import write_json
from csms.commands.report.reasons import explained
from csms.commands.report.words import (
    booked,
    happenings,
    headline,
    policy_row,
    speech_of,
    story,
    sunmoov,
    tiles,
    title_of,
)
from csms.readable.speech import Speech
from csms.readable.style import STYLE
from scheduler.explaining.words import Language


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with what stands around it."""

    heading: str
    caption: str
    svg: str


def page(
    report: Mapping[str, Any],
    pictures: Sequence[Picture],
    zone: ZoneInfo,
    why: Mapping[str, Any] | None = None,
    speech: Speech | None = None,
) -> str:
    """Returns the report as a page.

    Args:
        report: the document of `report.json`.
        pictures: in the order in which they are shown; the first belongs to the policies.
        zone: of the place.
        why: the explanation of one plan, if there is any.
        speech: of the language; English where it is missing.
    """
    speech = speech or speech_of("en")
    policies, *others = pictures
    name = html.escape(title_of(report, zone, speech))
    paragraphs = "".join(f"<p>{html.escape(each)}</p>" for each in story(report, speech))
    shown = "".join(
        f"<li><b>{html.escape(number)}</b>{html.escape(what)}</li>"
        for number, what in tiles(report, speech)
    )
    facts = "".join(
        f"<tr><td>{html.escape(what)}</td><td>{html.escape(words)}</td></tr>"
        for what, words in happenings(report, speech)
    )
    note = html.escape(speech.say("note", zone=str(zone)))
    return (
        f'<!doctype html><html lang="{speech.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{name}</h1><p class=headline>{html.escape(headline(report, speech))}</p>"
        f"<ul class=tiles>{shown}</ul>{paragraphs}"
        f"<h2>{html.escape(policies.heading)}</h2>{figure(policies)}{_policy_table(report, speech)}"
        + "".join(f"<h2>{html.escape(each.heading)}</h2>{figure(each)}" for each in others)
        + explained(why, zone, speech)
        + f"<h2>{html.escape(speech.say('heading.happened'))}</h2>"
        f"<div class=scroll><table class=facts>{facts}</table></div>"
        f"<p class=note>{note}</p></main></body></html>\n"
    )


def show_report(report: Mapping[str, Any], language: Language = "en", *, as_json: bool) -> None:
    """Prints the report: as the bytes of `report.json` for programs, as a table for people."""
    if as_json:
        typer.echo(write_json(report), nl=False)
    else:
        print_table(report, Console(), language)


def print_table(report: Mapping[str, Any], console: Console, language: Language = "en") -> None:
    """Prints the policies and what happened to a terminal; counts keep their names in JSON."""
    speech = speech_of(language)
    title = speech.counted(
        "table.title",
        report["days"],
        name=str(report["scenario"]),
        seed=str(report["seed"]),
    )
    table = Table(title=Text(title, "table.title"), box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column(speech.say("column.policy"), no_wrap=language == "en")
    for column in _COLUMNS:
        table.add_column(Text(_heading(column, report, speech)), justify="right")
    for name, row in report["policies"].items():
        cells = [_cell(row, column, speech) for column in _COLUMNS]
        shown = name if language == "en" else policy_row(report, name, speech)[0]
        table.add_row(shown, *cells, style="bold" if name == "plan" else "")
    console.print(table)
    console.print(f"{headline(report, speech)} {speech.say('table.sunmoov', **sunmoov(speech))}")
    for line in _counts(report, speech):
        console.print(line, markup=False)


def _counts(report: Mapping[str, Any], speech: Speech) -> list[str]:
    """Returns what happened, a line each; in English by the names that counts have in JSON."""
    if speech.language == "en":
        return [
            f"{name}: {', '.join(f'{value} {key}' for key, value in report[name].items())}"
            for name in ("bookings", "messages", "limits", "circuits")
        ]
    colon = "\u00a0:" if speech.language == "fr" else ":"
    told = {speech.say(f"happened.{name}") for name in ("messages", "limits", "circuits")}
    rows = [(what, words) for what, words in happenings(report, speech) if what in told]
    return [booked(report, speech), *(f"{what}{colon} {words}" for what, words in rows)]


_Column = tuple[str, int, float]
_COLUMNS: Sequence[_Column] = (
    ("pv_to_cars_utilisation", 1, 100.0),
    ("pv_utilisation", 1, 100.0),
    ("energy_cost", 2, 1.0),
    ("co2_g", 1, 1e-3),
    ("peak_import_w", 1, 1e-3),
    ("energy_to_cars_wh", 0, 1e-3),
    ("bookings_missed", 0, 1.0),
)
"""Field, digits and factor of each figure of a policy."""


def _heading(column: _Column, report: Mapping[str, Any], speech: Speech) -> str:
    money = speech.currency(report["currency"])
    return speech.say(f"column.{column[0]}", currency=money)


def _cell(row: Mapping[str, Any], column: _Column, speech: Speech) -> str:
    field, digits, factor = column
    value = row[field]
    return "-" if value is None else speech.number(value * factor, digits)


def _policy_table(report: Mapping[str, Any], speech: Speech) -> str:
    headings = (
        html.escape(_heading(column, report, speech).replace("\n", " ")) for column in _COLUMNS
    )
    head = "".join(f"<th scope=col>{heading}</th>" for heading in headings)
    rows = "".join(
        f'<tr class="{html.escape(name)}"><td>{html.escape(shown)}'
        f"<small>{html.escape(meaning)}</small></td>"
        + "".join(f"<td>{_cell(row, column, speech)}</td>" for column in _COLUMNS)
        + "</tr>"
        for name, row in report["policies"].items()
        for shown, meaning in (policy_row(report, name, speech),)
    )
    return (
        "<div class=scroll><table><thead><tr>"
        f"<th scope=col>{html.escape(speech.say('column.policy'))}</th>"
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def figure(picture: Picture) -> str:
    """Puts the SVG into the page without its XML prologue, which has no place there."""
    svg = picture.svg[picture.svg.index("<svg") :]
    caption = f"<figcaption>{html.escape(picture.caption)}</figcaption>" if picture.caption else ""
    return f"<figure>{caption}{svg}</figure>"
