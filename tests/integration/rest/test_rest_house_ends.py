"""A house that has closed leaves nothing behind in its process."""

from __future__ import annotations

import gc
import weakref

from tests.builders.rest_house import rest_house


async def test_nothing_keeps_a_house_that_has_closed(sqlite_url: str) -> None:
    async with rest_house(sqlite_url) as house:
        await house.site()
        await house.get("/openapi.json")
        left = weakref.ref(house.db)
    del house
    gc.collect()
    assert left() is None
