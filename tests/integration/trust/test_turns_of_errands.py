"""One slow host holds up nobody but those who ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest
from cryptography import x509

from csms.trust import errands
from csms.trust.errands import CertificateErrands, Pool, Turns
from models.clocks import RealClock
from models.facts import Fact
from models.facts.trust import CertificateChainAsked, ContractAsked
from models.proofs import StatusWanted
from tests.builders.responder import TOKEN, Responder, responder


def errands_of(*there: Responder) -> CertificateErrands:
    return CertificateErrands(
        hosts=[f"127.0.0.1:{each.port}" for each in there],
        authorities=[each.authority.pem for each in there],
        pool=Pool(f"http://127.0.0.1:{there[0].port}/pool", TOKEN),
        wall=RealClock(),
    )


def asked(there: Responder, contracts: Sequence[x509.Certificate]) -> CertificateChainAsked:
    wanted = [
        StatusWanted(certificate=there.authority.id_of(each), urls=(there.url,))
        for each in contracts
    ]
    return CertificateChainAsked(
        station="ST-1", received_at=RealClock().now(), wanted=tuple(wanted)
    )


async def found(it: CertificateErrands, fact: Fact) -> Fact:
    errand = it.errand_for(fact)
    assert errand is not None
    return await errand


async def statuses(it: CertificateErrands, there: Responder, count: int) -> list[str]:
    contracts = [there.authority.contract(f"contract {number}") for number in range(count)]
    answer = await found(it, asked(there, contracts))
    assert isinstance(answer, CertificateChainAsked)
    return [each.status if each.verified else each.why or "" for each in answer.found]


async def test_who_waits_for_a_turn_is_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "AT_ONCE", 1)
    monkeypatch.setattr(errands, "ASK_S", 1.6)
    async with responder() as slow:
        slow.mood = "slow"
        it = errands_of(slow)
        assert await statuses(it, slow, 3) == ["good"] * 3
        await it.close()


async def test_the_wait_for_a_turn_ends_with_the_errand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands, "AT_ONCE", 1)
    monkeypatch.setattr(errands, "ERRAND_S", 1.5)
    async with responder() as slow:
        slow.mood = "slow"
        it = errands_of(slow)
        assert sorted(await statuses(it, slow, 3)) == ["good", *["the responder was too slow"] * 2]
        await it.close()


async def test_a_silent_host_holds_up_neither_another_nor_the_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(errands, "AT_ONCE", 1)
    async with AsyncExitStack() as stack:
        silent, quick = [await stack.enter_async_context(responder()) for _ in range(2)]
        silent.mood = "silent"
        it = errands_of(silent, quick)
        waiting = asyncio.create_task(statuses(it, silent, 2))
        async with asyncio.timeout(60):
            while not silent.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert await statuses(it, quick, 2) == ["good"] * 2
            wish = ContractAsked(
                station="ST-1",
                received_at=RealClock().now(),
                action="Install",
                schema_version="urn:iso:15118:2:2013:MsgDef",
                exi_request="QUJD",
                answer_max=5_600,
            )
            answer = await found(it, wish)
        assert isinstance(answer, ContractAsked)
        assert answer.found is not None
        assert answer.found.accepted
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await it.close()


async def test_for_a_station_that_has_left_nobody_is_asked_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(errands, "AT_ONCE", 1)
    monkeypatch.setattr(errands, "ASK_S", 0.3)
    async with responder() as silent:
        silent.mood = "silent"
        it = errands_of(silent)
        waiting = asyncio.create_task(statuses(it, silent, 2))
        async with asyncio.timeout(60):
            while not silent.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.6)
        assert silent.asked == 1
        await it.close()


async def test_places_that_nobody_asks_are_not_kept() -> None:
    turns = Turns()
    async with turns.at("a"), turns.at("b"), turns.at("a"):
        assert len(turns) == 2
    assert len(turns) == 0
