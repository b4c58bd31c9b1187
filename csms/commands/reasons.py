"""What `heliofleet plan --explain` prints: tables for people, or the same as JSON.

The sentences are those of REST: see `scheduler.explaining`.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from csms.commands.options import print_json
from scheduler.documents import printable
from scheduler.explaining import explain
from scheduler.explaining.picture import Reason
from scheduler.explaining.told import Teller
from scheduler.explaining.words import Language, heading, instant, power, sentence
from scheduler.plan import Plan
from scheduler.problem import Problem

_PIPED_WIDTH = 140
"""Of a line where there is no terminal to ask."""


def say_why(problem: Problem, plan: Plan, language: Language, *, as_json: bool) -> None:
    """Prints why a lawful plan is so, for its first step what each car does, on stdout."""
    found = explain(problem, plan)
    if as_json:
        teller = Teller(language, problem.currency)
        print_json(
            {
                "language": language,
                "currency": problem.currency,
                "charging": teller.charging(found.charging),
                "assignments": teller.bookings(found.assignments),
                "unserved": teller.bookings(found.unserved),
                "vehicles": teller.vehicles(found.vehicles),
                "moves": teller.moves(found.moves),
            }
        )
        return
    tables = _Tables(language, problem.currency)
    at = instant(problem.start, language)
    tables.show(
        heading("vehicles", language).format(at=at),
        ("vehicle", "state", "why"),
        (
            (each.vehicle, heading(f"state.{each.state}", language), each.reasons)
            for each in found.vehicles
        ),
    )
    tables.show(
        heading("charging", language),
        ("time", "vehicle", "power", "why"),
        (
            (
                f"{instant(each.from_at, language)}\n{instant(each.to_at, language)}",
                each.vehicle,
                power(each.power_w, language),
                each.reasons,
            )
            for each in sorted(found.charging, key=lambda each: (each.vehicle, each.from_step))
        ),
    )
    tables.show(
        heading("moves", language),
        ("time", "vehicle", "way", "why"),
        (
            (
                f"{instant(each.from_at, language)}\n{instant(each.to_at, language)}",
                each.vehicle,
                f"{each.from_evse or each.site}\n{each.to_evse or each.site}",
                each.reasons,
            )
            for each in found.moves
        ),
    )
    for name, bookings in (("bookings", found.assignments), ("unserved", found.unserved)):
        tables.show(
            heading(name, language),
            ("booking", "time", "vehicle", "why"),
            (
                (each.booking, instant(each.start_at, language), each.vehicle or "", each.reasons)
                for each in bookings
            ),
        )


class _Tables:
    """Prints tables whose last column is reasons."""

    def __init__(self, language: Language, currency: str) -> None:
        self._language: Language = language
        self._currency = currency
        console = Console()
        self._console = console if console.is_terminal else Console(width=_PIPED_WIDTH)

    def show(
        self,
        title: str,
        columns: tuple[str, ...],
        rows: Iterable[tuple[str | tuple[Reason, ...], ...]],
    ) -> None:
        """Prints a table, if it has any row."""
        table = Table(title=title, title_justify="left", show_lines=True)
        for name in columns:
            table.add_column(heading(name, self._language))
        for row in rows:
            table.add_row(*(self._cell(each) for each in row))
        if table.row_count:
            self._console.print(table)

    def _cell(self, content: str | tuple[Reason, ...]) -> Text:
        if isinstance(content, str):
            return Text("\n".join(printable(line) for line in content.split("\n")))
        lines = (
            f"{each.code}: {sentence(each, self._language, self._currency)}" for each in content
        )
        return Text("\n".join(printable(line) for line in lines))
