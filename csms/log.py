"""Logs: structured, one line each, to stderr, with secrets taken out.

Every module logs events in past tense with named values (`station_connected identity=...`). What
comes from a station is data: it is shown escaped and cut short, so that nobody writes lines into
our log. Nothing is logged per message; the message log is a table. Metrics are not here.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from csms.config import MASK

LONGEST_VALUE = 500
"""Characters of one value that are shown."""

_SECRET_NAME = re.compile(r"password|secret|authorization|api_?key|token_hash|pem", re.IGNORECASE)
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(level: str, form: str, stream: TextIO = sys.stderr) -> None:
    """Sets up logging for the whole process.

    Args:
        level: `debug`, `info`, `warning` or `error`: the least that is shown.
        form: `text` for people, `json` for machines.
        stream: where lines go; stdout belongs to the commands' results.
    """
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            harmless,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=max(_LEVELS[level], logging.WARNING), stream=stream, format="%(name)s %(message)s"
    )


def harmless(
    logger: object,  # noqa: ARG001 - structlog's signature
    method: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Returns the event with secrets masked, control characters escaped and long values cut."""
    for name, value in event.items():
        if _SECRET_NAME.search(name) and value is not None:
            event[name] = MASK
        elif isinstance(value, str) and name != "exception":
            event[name] = _one_line(value)
    return event


def _one_line(text: str) -> str:
    cut = text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."
    if cut.isprintable():
        return cut
    return cut.encode("unicode_escape").decode("ascii")
