"""A played station of each version, on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from csms.access.reactions import lists
from tests.builders.played_station import PlayedStation, played_station


@pytest.fixture
async def cp(sqlite_url: str) -> AsyncIterator[PlayedStation]:
    """A charge point of 1.6 that has booted."""
    async with played_station(sqlite_url, "1.6") as station:
        yield station


@pytest.fixture(params=["2.0.1", pytest.param("2.1", marks=pytest.mark.soak)])
def version(request: pytest.FixtureRequest) -> str:
    """2.0.1; and 2.1, which plays the same cases with the long tests."""
    return request.param


@pytest.fixture
async def cs(sqlite_url: str, version: str) -> AsyncIterator[PlayedStation]:
    """A charging station that has booted."""
    async with played_station(sqlite_url, version) as station:
        yield station


@pytest.fixture
async def listing(
    sqlite_url: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PlayedStation]:
    """A charging station that is to have a list of tokens, and has not come yet."""
    monkeypatch.setattr(lists, "GATHERING", timedelta(seconds=0.1))
    async with played_station(sqlite_url, version, come=False, local_list=True) as cs:
        cs.replies["GetLocalListVersion"] = {"versionNumber": 0}
        yield cs
