"""CSV (RFC 4180) of what the REST door shows, safe to be opened by a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from models.timeline import format_rfc3339


async def csv_lines(
    columns: Sequence[str], pages: AsyncIterator[Sequence[Mapping[str, Any]]]
) -> AsyncIterator[bytes]:
    """Yields a table: the names of its columns, then the rows of each page."""
    yield ",".join(columns).encode() + b"\r\n"
    async for page in pages:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([_cell(each[name]) for name in columns] for each in page)
        yield text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return cell(value)
    if value is None:
        return ""
    if isinstance(value, datetime):
        return format_rfc3339(value)
    return msgspec.json.encode(value).decode()


def cell(text: str) -> str:
    """Returns text for a CSV file, in which no program takes it for a formula.

    A hostile station chooses what stands in a malformed frame, and a spreadsheet opens the file.
    """
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
