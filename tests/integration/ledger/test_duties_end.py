"""What goes on by itself ends as a whole, whether or not all of it has begun."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from csms.access.reactions.lists import ListKeeper
from csms.booking.reactions import Watchman
from csms.messages.reactions import LogKeeper
from csms.security.reactions.renewals import RenewalKeeper
from csms.security.reactions.signer import CertificateSigner
from models.errors import Unavailable
from tests.builders.waiting import until
from tests.integration.ledger.test_several_services import serving

KINDS: tuple[Any, ...] = (Watchman, CertificateSigner, RenewalKeeper, LogKeeper)


async def test_what_has_begun_ends_when_the_rest_can_not_begin(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, list[str]] = {kind.__name__: [] for kind in KINDS}
    start_lists = ListKeeper.start
    tried: list[ListKeeper] = []
    begun: list[Any] = []

    def listen(kind: Any) -> None:
        start, stop, mine = kind.start, kind.stop, told[kind.__name__]

        async def start_and_tell(self: Any) -> None:
            mine.append("start")
            begun.append(self)
            await start(self)

        async def stop_and_tell(self: Any) -> None:
            await stop(self)
            if self not in begun:  # it is one of the service that goes
                return
            mine.append("stop")
            if kind is Watchman:
                raise RuntimeError("it does not end as it should")

        monkeypatch.setattr(kind, "start", start_and_tell)
        monkeypatch.setattr(kind, "stop", stop_and_tell)

    async def fail_once(self: ListKeeper) -> None:
        tried.append(self)
        if len(tried) == 1:
            raise Unavailable("away")
        await start_lists(self)

    async def tries() -> int:
        return len(tried)

    async with AsyncExitStack() as first:
        await first.enter_async_context(serving(postgres_url, "a"))
        async with serving(postgres_url, "b"):
            for kind in KINDS:
                listen(kind)
            monkeypatch.setattr(ListKeeper, "start", fail_once)
            await first.aclose()
            await until(tries, lambda count: count == 2)
    assert told == {kind.__name__: ["start", "stop"] * 2 for kind in KINDS}
