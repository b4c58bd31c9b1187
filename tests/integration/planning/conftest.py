"""The house that has all a site can have, on both kinds of database and on one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.builders.equipped_house import EquippedHouse, equipped_house


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[EquippedHouse]:
    async with equipped_house(database_url) as running:
        yield running


@pytest.fixture
async def small(sqlite_url: str) -> AsyncIterator[EquippedHouse]:
    """For what does not depend on the database."""
    async with equipped_house(sqlite_url) as running:
        yield running
