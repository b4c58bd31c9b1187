"""A played station of each version, on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.builders.played_station import PlayedStation, played_station


@pytest.fixture
async def cp(sqlite_url: str) -> AsyncIterator[PlayedStation]:
    """A charge point of 1.6 that has booted."""
    async with played_station(sqlite_url, "1.6") as station:
        yield station


@pytest.fixture
async def cs(sqlite_url: str) -> AsyncIterator[PlayedStation]:
    """A charging station of 2.0.1 that has booted."""
    async with played_station(sqlite_url, "2.0.1") as station:
        yield station
