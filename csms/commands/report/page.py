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
    SUNMOOV_MEAN,
    SUNMOOV_SUMMER,
    happenings,
    headline,
    policy_row,
    story,
    tiles,
    title_of,
)
from csms.readable.style import STYLE


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
) -> str:
    """Returns the report as a page.

    Args:
        report: the document of `report.json`.
        pictures: in the order in which they are shown; the first belongs to the policies.
        zone: of the place.
        why: the explanation of one plan, if there is any.
    """
    policies, *others = pictures
    name = html.escape(title_of(report, zone))
    paragraphs = "".join(f"<p>{html.escape(each)}</p>" for each in story(report))
    shown = "".join(
        f"<li><b>{html.escape(number)}</b>{html.escape(what)}</li>"
        for number, what in tiles(report)
    )
    facts = "".join(
        f"<tr><td>{html.escape(what)}</td><td>{html.escape(words)}</td></tr>"
        for what, words in happenings(report)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{name}</h1><p class=headline>{html.escape(headline(report))}</p>"
        f"<ul class=tiles>{shown}</ul>{paragraphs}"
        f"<h2>{html.escape(policies.heading)}</h2>{figure(policies)}{_policy_table(report)}"
        + "".join(f"<h2>{html.escape(each.heading)}</h2>{figure(each)}" for each in others)
        + explained(why, zone)
        + f"<h2>What else happened</h2><div class=scroll><table class=facts>{facts}</table></div>"
        f"<p class=note>Hours are those of {html.escape(str(zone))}. Everything here is computed"
        " from what happened in the simulated world; report.json holds the figures.</p>"
        "</main></body></html>\n"
    )


def show_report(report: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints the report: as the bytes of `report.json` for programs, as a table for people."""
    if as_json:
        typer.echo(write_json(report), nl=False)
    else:
        print_table(report, Console())


def print_table(report: Mapping[str, Any], console: Console) -> None:
    """Prints the policies and what happened to a terminal."""
    title = f"{report['scenario']}, {report['days']} days, seed {report['seed']}"
    table = Table(title=Text(title, "table.title"), box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("policy", no_wrap=True)
    for _, heading, _, _ in _columns(report):
        table.add_column(Text(heading), justify="right")
    for name, row in report["policies"].items():
        cells = [_cell(row, column) for column in _columns(report)]
        table.add_row(name, *cells, style="bold" if name == "plan" else "")
    console.print(table)
    console.print(
        f"{headline(report)} Sunmoov' published {SUNMOOV_MEAN:.0%} on average and"
        f" {SUNMOOV_SUMMER:.0%} on long summer days."
    )
    for name in ("bookings", "messages", "limits", "circuits"):
        counts = ", ".join(f"{value} {key}" for key, value in report[name].items())
        console.print(f"{name}: {counts}")


_Column = tuple[str, str, str, float]


def _columns(report: Mapping[str, Any]) -> Sequence[_Column]:
    """Field, heading, form and factor of each figure of a policy."""
    return (
        ("pv_to_cars_utilisation", "sun in\ncars, %", "{:.1f}", 100.0),
        ("pv_utilisation", "sun\nused, %", "{:.1f}", 100.0),
        ("energy_cost", f"cost,\n{report['currency']}", "{:.2f}", 1.0),
        ("co2_g", "CO2,\nkg", "{:.1f}", 1e-3),
        ("peak_import_w", "peak,\nkW", "{:.1f}", 1e-3),
        ("energy_to_cars_wh", "cars,\nkWh", "{:.0f}", 1e-3),
        ("bookings_missed", "missed", "{:.0f}", 1.0),
    )


def _cell(row: Mapping[str, Any], column: _Column) -> str:
    field, _, form, factor = column
    value = row[field]
    return "-" if value is None else form.format(value * factor)


def _policy_table(report: Mapping[str, Any]) -> str:
    columns = _columns(report)
    headings = [html.escape(heading.replace("\n", " ")) for _, heading, _, _ in columns]
    head = "".join(f"<th scope=col>{heading}</th>" for heading in headings)
    rows = "".join(
        f'<tr class="{html.escape(name)}"><td>{html.escape(shown)}'
        f"<small>{html.escape(meaning)}</small></td>"
        + "".join(f"<td>{_cell(row, column)}</td>" for column in columns)
        + "</tr>"
        for name, row in report["policies"].items()
        for shown, meaning in (policy_row(report, name),)
    )
    return (
        "<div class=scroll><table><thead><tr><th scope=col>policy</th>"
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def figure(picture: Picture) -> str:
    """Puts the SVG into the page without its XML prologue, which has no place there."""
    svg = picture.svg[picture.svg.index("<svg") :]
    caption = f"<figcaption>{html.escape(picture.caption)}</figcaption>" if picture.caption else ""
    return f"<figure>{caption}{svg}</figure>"
