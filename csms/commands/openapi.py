"""`heliofleet openapi`: the document of the REST door."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from csms.app import rest_document
from csms.commands.options import write_file


def openapi(
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Where to write; default: stdout."),
    ] = None,
) -> None:
    """Print the OpenAPI 3.1 document of the REST service.

    Example: heliofleet openapi -o openapi.json
    """
    text = msgspec.json.format(msgspec.json.encode(rest_document()), indent=2) + b"\n"
    if out is None:
        sys.stdout.buffer.write(text)
    else:
        write_file("--out", out, text)
