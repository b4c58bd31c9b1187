"""`report.html`: one file that needs nothing else, for people who were not there."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from csms.commands.report.figures import write_json

_COLUMNS = (
    ("pv_to_cars_utilisation", "sun in cars", "{:.1%}"),
    ("pv_utilisation", "sun used", "{:.1%}"),
    ("energy_cost", "cost", "{:.2f}"),
    ("co2_g", "CO2, kg", "{:.1f}"),
    ("peak_import_w", "peak, kW", "{:.1f}"),
    ("energy_to_cars_wh", "charged, kWh", "{:.0f}"),
    ("bookings_missed", "missed", "{}"),
)
_FACTORS = {"co2_g": 1e-3, "peak_import_w": 1e-3, "energy_to_cars_wh": 1e-3}

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1e23; --paper: #fbfaf7; --line: #d9d5cb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --paper: #17191d; --line: #3a3d44; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
tr.plan { font-weight: 650; }
figure { margin: 1rem 0; background: #fff; border-radius: 6px; padding: .5rem; overflow-x: auto; }
figure svg { width: 100%; height: auto; }
p.lead { font-size: 1.1rem; }
"""


def page(report: Mapping[str, Any], pictures: Sequence[tuple[str, str]]) -> str:
    """Returns the report as a page.

    Args:
        report: the document of `report.json`.
        pictures: heading and SVG of each.
    """
    plan, free = report["policies"]["plan"], report["policies"]["uncontrolled"]
    bookings = report["bookings"]
    title = f"{report['scenario']}: {report['days']} days from {report['start'][:10]}"
    lead = (
        f"The cars took {_percent(plan['pv_to_cars_utilisation'])} of the sun that the buildings "
        f"left over; charging as soon as they are plugged in would have taken "
        f"{_percent(free['pv_to_cars_utilisation'])}. {bookings['served']} of "
        f"{bookings['accepted']} accepted bookings were served so far, {bookings['missed']} missed."
    )
    figures = "".join(
        f"<h2>{html.escape(heading)}</h2><figure>{_inline(svg)}</figure>"
        for heading, svg in pictures
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{html.escape(title)}</h1><p class=lead>{html.escape(lead)}</p>"
        f"<h2>Policies on the same days and bookings</h2>{_policy_table(report)}"
        f"<h2>What happened</h2>{_fact_table(report)}{figures}</body></html>\n"
    )


def show_report(report: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints the report: as the bytes of `report.json` for programs, as a table for people."""
    if as_json:
        typer.echo(write_json(report), nl=False)
    else:
        print_table(report, Console())


def print_table(report: Mapping[str, Any], console: Console) -> None:
    """Prints the policies and the bookings to a terminal."""
    table = Table(title=f"{report['scenario']}, {report['days']} days, seed {report['seed']}")
    table.add_column("policy")
    for _, heading, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    for name, row in report["policies"].items():
        cells = [_cell(row, field, form) for field, _, form in _COLUMNS]
        table.add_row(name, *cells, style="bold" if name == "plan" else "")
    console.print(table)
    for name in ("bookings", "messages", "limits", "circuits"):
        counts = ", ".join(f"{value} {key}" for key, value in report[name].items())
        console.print(f"{name}: {counts}")


def _cell(row: Mapping[str, Any], field: str, form: str) -> str:
    value = row[field]
    return "-" if value is None else form.format(value * _FACTORS.get(field, 1))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _policy_table(report: Mapping[str, Any]) -> str:
    head = "".join(f"<th>{html.escape(heading)}</th>" for _, heading, _ in _COLUMNS)
    rows = "".join(
        f'<tr class="{html.escape(name)}"><td>{html.escape(name.replace("_", " "))}</td>'
        + "".join(f"<td>{_cell(row, field, form)}</td>" for field, _, form in _COLUMNS)
        + "</tr>"
        for name, row in report["policies"].items()
    )
    return f"<table><thead><tr><th>policy</th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _fact_table(report: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(_counts(report[name]))}</td></tr>"
        for name in ("bookings", "messages", "limits", "circuits", "forecast")
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _counts(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values.items())


def _inline(svg: str) -> str:
    """Drops the XML prologue, which has no place inside a page."""
    return svg[svg.index("<svg") :]
