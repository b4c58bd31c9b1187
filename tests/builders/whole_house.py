"""The whole service as `serve` runs it, planner and all, in this process, and an admin's client."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from csms.app import House, Times, stepped_times
from csms.config import Settings
from csms.keyring import Keyring
from tests.builders.rest_house import BOOTSTRAP, START

PATIENCE_S = 120.0


@asynccontextmanager
async def whole_house(
    url: str, times: Times | None = None, *, controlled: bool = True, **settings: Any
) -> AsyncGenerator[tuple[House, httpx.AsyncClient]]:
    """Runs it on a database, on a stepped clock unless told otherwise; it ends with the block.

    Paths of the client begin after `/api/v1`.
    """
    given = Settings(database_url=url, bootstrap_api_key=SecretStr(BOOTSTRAP), **settings)
    house = House(given, times or stepped_times(START), Keyring(b"k" * 32), controlled=controlled)
    await house.start()
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(house.api),
            base_url="http://house/api/v1",
            headers={"Authorization": f"Bearer {BOOTSTRAP}"},
            timeout=PATIENCE_S,
        ) as http:
            yield house, http
    finally:
        await house.stop(timeout_s=0.5)
