"""A what-if on a terminal: the table of the page, and the sentence over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from csms.commands.report.figures import write_json
from csms.readable.comparisons.page import HEADINGS, cells
from csms.readable.comparisons.words import headline, rows, speech_of, title_of
from scheduler.explaining.words import Language


def show_comparison(
    comparison: Mapping[str, Any], language: Language = "en", *, as_json: bool
) -> None:
    """Prints the comparison: the bytes of `comparison.json` for programs, a table for people."""
    if as_json:
        typer.echo(write_json(comparison), nl=False)
        return
    speech = speech_of(language)
    console = Console()
    title = Text(title_of(comparison, speech), "table.title")
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("")
    for heading in HEADINGS:
        table.add_column(speech.say(f"heading.{heading}"), justify="right")
    for row in rows(comparison, speech):
        shown = map(escape, cells(comparison, row, speech))
        table.add_row(speech.say(f"row.{row.figure}"), *shown)
    console.print(table)
    console.print(headline(comparison, speech), markup=False)
