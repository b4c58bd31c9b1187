"""`comparison.html`: a what-if on one page, for a town councillor; and the same on a terminal."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from csms.commands.report.comparison_words import Row, rows, title_of
from csms.commands.report.figures import write_json
from csms.commands.report.page import STYLE, Picture, figure
from csms.commands.report.pictures import BUILDING, CARS, LIMIT, PLAN, SUN, Piece, balance_picture

_COLOURS = {
    "sun, used at once": SUN,
    "from the battery": PLAN,
    "electricity bought": "#7d8fb3",
    "fuel bought": LIMIT,
    "sun into the building": BUILDING,
    "sun into the cars": CARS,
    "sun into the battery": "#b79bd0",
    "sun sold": "#f2d38b",
}


def comparison_page(comparison: Mapping[str, Any], zone: ZoneInfo) -> str:
    """Returns the comparison as a page that needs nothing else.

    Args:
        comparison: the document of `comparison.json`.
        zone: of the place.
    """
    name = html.escape(title_of(comparison))
    picture = Picture(
        "",
        "Where the energy comes from, and where the sun of the roofs goes.",
        balance_picture(_bars(comparison)),
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{name}</h1><p class=headline>{html.escape(comparison['headline'])}</p>"
        f"<h2>What is different</h2>{_listed(comparison['what_changes'])}"
        f"<h2>What it comes to</h2>{_table(comparison)}{figure(picture)}{_taken(comparison)}"
        f"<h2>What to know before believing it</h2>{_listed(comparison['assumptions'])}"
        f"<p class=note>Days are those of {html.escape(str(zone))}. comparison.json holds all"
        " figures, for each place too.</p></main></body></html>\n"
    )


def show_comparison(comparison: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints the comparison: the bytes of `comparison.json` for programs, a table for people."""
    if as_json:
        typer.echo(write_json(comparison), nl=False)
        return
    console = Console()
    table = Table(title=Text(title_of(comparison), "table.title"), box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("")
    for heading in ("today", "changed", "difference"):
        table.add_column(heading, justify="right")
    for row in rows(comparison):
        table.add_row(row.name, *map(escape, _cells(comparison, row)))
    console.print(table)
    console.print(comparison["headline"], markup=False)


def _cells(comparison: Mapping[str, Any], row: Row) -> tuple[str, str, str]:
    today, other = (comparison[side]["figures"][row.figure] for side in ("today", "changed"))
    gap = None if today is None or other is None else other - today
    shown_gap = "" if gap is None else row.shown(gap, sign=True)
    return row.shown(today), row.shown(other), shown_gap


def _table(comparison: Mapping[str, Any]) -> str:
    lines = "".join(
        f"<tr><td>{html.escape(row.name)}{_small(row.meaning)}</td>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(comparison, row))
        + "</tr>"
        for row in rows(comparison)
    )
    head = "".join(f"<th scope=col>{name}</th>" for name in ("today", "changed", "difference"))
    return (
        f"<div class=scroll><table><thead><tr><th scope=col></th>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


def _taken(comparison: Mapping[str, Any]) -> str:
    """Returns what comes from the place's own days, where something does."""
    past = comparison.get("history")
    return "" if past is None else f"<h2>What was taken from history</h2>{_listed(past['taken'])}"


def _small(text: str) -> str:
    return f"<small>{html.escape(text)}</small>" if text else ""


def _listed(lines: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"


def _bars(comparison: Mapping[str, Any]) -> dict[str, list[Piece]]:
    bars: dict[str, list[Piece]] = {}
    for what in (_energy, _sun):
        for side in ("today", "changed"):
            parts = what(comparison[side]["figures"])
            name = f"{'energy' if what is _energy else 'sun'}, {side}"
            bars[name] = [Piece(part, kwh, _COLOURS[part]) for part, kwh in parts.items() if kwh]
    return bars


def _energy(figures: Mapping[str, Any]) -> dict[str, float]:
    return {
        "sun, used at once": figures["sun_to_buildings_kwh"] + figures["sun_to_cars_kwh"],
        "from the battery": figures["from_batteries_kwh"],
        "electricity bought": figures["bought_kwh"],
        "fuel bought": figures["fuel_kwh"],
    }


def _sun(figures: Mapping[str, Any]) -> dict[str, float]:
    return {
        "sun into the building": figures["sun_to_buildings_kwh"],
        "sun into the cars": figures["sun_to_cars_kwh"],
        "sun into the battery": figures["sun_to_batteries_kwh"],
        "sun sold": figures["sold_kwh"],
    }
