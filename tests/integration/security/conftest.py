"""A house with both station doors, on one kind of database and on both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.builders.tls_house import TlsHouse, tls_house


@pytest.fixture
async def door(sqlite_url: str, tmp_path: Path) -> AsyncIterator[TlsHouse]:
    async with tls_house(sqlite_url, tmp_path) as running:
        yield running


@pytest.fixture
async def door_on_both(database_url: str, tmp_path: Path) -> AsyncIterator[TlsHouse]:
    async with tls_house(database_url, tmp_path) as running:
        yield running
