"""The transport on both event loops: `serve` has uvloop, `replay` and most tests asyncio's.

A `conftest.py` that imports the hook has each test of a file called after the transport run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Returns the loops of a test, by name."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if "transport" in item.path.name:
        loops["uvloop"] = uvloop.new_event_loop
    return loops
