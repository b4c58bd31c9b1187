"""A running house for each test, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.builders.rest_house import RestHouse, rest_house


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[RestHouse]:
    async with rest_house(database_url) as running:
        yield running


@pytest.fixture
async def stepped_house(sqlite_url: str) -> AsyncIterator[RestHouse]:
    async with rest_house(sqlite_url, stepped=True) as running:
        yield running


@pytest.fixture
async def stepped_on_both(database_url: str) -> AsyncIterator[RestHouse]:
    """A house whose clock is stepped, on both databases."""
    async with rest_house(database_url, stepped=True) as running:
        yield running


@pytest.fixture
async def small_house(sqlite_url: str) -> AsyncIterator[RestHouse]:
    """On SQLite only, for what no database can change."""
    async with rest_house(sqlite_url) as running:
        yield running


@pytest.fixture
async def postgres_house(postgres_url: str) -> AsyncIterator[RestHouse]:
    """On PostgreSQL only, for what SQLite can not do."""
    async with rest_house(postgres_url) as running:
        yield running
