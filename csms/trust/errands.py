"""Errands: what has to be found out elsewhere before a station can be answered.

The gateway runs one before the fact is decided, so that the ledger never waits for a network; the
station waits, nobody else does. Each ends within `ERRAND_S`, which is less than stations wait for
an answer, and none fails: what could not be found out is said so in the fact.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import OrderedDict
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec
import structlog

from csms.config import Settings
from csms.revocation import (
    AHEAD,
    StatusWord,
    judge_chain,
    ocsp_request,
    read_authorities,
    read_list,
    read_ocsp,
)
from csms.trust.rules import same_contract, why_not_asked, why_out_of_time, worth_of
from models.clocks import Clock
from models.errors import BadInput
from models.facts import Fact, TokenPresented
from models.facts.trust import CertificateChainAsked, CertificateStatusAsked, ContractAsked
from models.proofs import ContractFound, Proof, StatusFound, StatusWanted

ERRAND_S = 8.0
"""Wire time for all that one message needs; stations wait 30 s, cars hardly longer than this."""
ASK_S = 4.0
"""Wire time that a host has for its answer, from when it is asked."""
OCSP_BYTES_MAX = 65_536
CRL_BYTES_MAX = 2_097_152
POOL_BYTES_MAX = 262_144
AT_ONCE = 16
"""Questions that one host, or the pool, has before it at a time."""
_OK = 200
_POOL_TURN = "the contract pool"
REMEMBERED = 1_000
DOUBTED = timedelta(minutes=10)
"""How long an answer is kept whose signer nobody knows: who forged it must not say how long."""

_log = structlog.get_logger("trust")


@dataclass(frozen=True, slots=True)
class Pool:
    """Where contract certificates come from."""

    url: str
    token: str | None = field(repr=False)


class _PoolAnswer(msgspec.Struct):
    """What the pool answers."""

    status: Literal["Accepted", "Failed"]
    exi_response: str = ""
    remaining_contracts: int | None = None
    reason: str | None = None


class Turns:
    """Lets each place be asked so much at a time: one that is slow holds up its own questions only.

    A place is kept as long as somebody asks there or waits to, so there are never more than those.
    """

    def __init__(self) -> None:
        self._places: dict[str, tuple[asyncio.Semaphore, int]] = {}

    def __len__(self) -> int:
        return len(self._places)

    @asynccontextmanager
    async def at(self, place: str) -> AsyncGenerator[None]:
        """Holds a turn at a place; how long to wait for it is the caller's to say."""
        turn, users = self._places.get(place) or (asyncio.Semaphore(AT_ONCE), 0)
        self._places[place] = turn, users + 1
        try:
            async with turn:
                yield
        finally:
            users = self._places[place][1] - 1
            if users:
                self._places[place] = turn, users
            else:
                del self._places[place]


class CertificateErrands:
    """Asks responders and the pool, and remembers what holds."""

    def __init__(
        self,
        *,
        hosts: Sequence[str],
        authorities: Sequence[str],
        pool: Pool | None,
        wall: Clock,
    ) -> None:
        """Takes the settings.

        Args:
            hosts: that may be asked; none: nobody is.
            authorities: whose contracts are trusted, PEM each.
            pool: of contract certificates, if there is one.
            wall: real time, by which certificates hold.
        """
        self._hosts = frozenset(host.lower() for host in hosts)
        self._authorities = tuple(authorities)
        self._pool = pool
        self._wall = wall
        self._http: httpx.AsyncClient | None = None
        self._turns = Turns()
        self._known: OrderedDict[tuple[object, str], tuple[StatusFound, datetime]] = OrderedDict()
        """What holds, and until when."""

    @classmethod
    def of(cls, settings: Settings, wall: Clock) -> CertificateErrands:
        """Returns what the settings allow.

        Raises:
            BadInput: if the authorities can't be read.
        """
        pool = None
        if settings.contract_pool_url is not None:
            token = settings.contract_pool_token
            secret = None if token is None else token.get_secret_value()
            pool = Pool(settings.contract_pool_url, secret)
        return cls(
            hosts=settings.ocsp_hosts,
            authorities=_read_file(settings.contract_authorities),
            pool=pool,
            wall=wall,
        )

    def errand_for(self, fact: Fact) -> Coroutine[Any, Any, Fact] | None:
        """Returns the errand that a fact needs, which ends in the fact with what was found."""
        match fact:
            case TokenPresented(proof=Proof() as proof):
                return self._judge(fact, proof)
            case CertificateStatusAsked():
                return self._look_up(fact)
            case CertificateChainAsked():
                return self._look_up_all(fact)
            case ContractAsked():
                return self._fetch_contract(fact)
            case _:
                return None

    async def close(self) -> None:
        """Ends all connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _look_up(self, fact: CertificateStatusAsked) -> Fact:
        (found,) = await self._find((fact.wanted,), self._authorities)
        if found.response is not None and _base64_length(found.response) > fact.answer_max:
            why = f"the responder's answer has over {fact.answer_max} characters"
            found = msgspec.structs.replace(found, status="failed", why=why, response=None)
        return msgspec.structs.replace(fact, found=found)

    async def _look_up_all(self, fact: CertificateChainAsked) -> Fact:
        found = await self._find(fact.wanted, self._authorities)
        return msgspec.structs.replace(fact, found=found)

    async def _judge(self, fact: TokenPresented, proof: Proof) -> Fact:
        """Judges the certificates of a contract: whole, in their time, and not revoked."""
        authorities = self._authorities
        proof = msgspec.structs.replace(proof, binding=bool(self._hosts))
        if proof.chain is not None:
            word = judge_chain(proof.chain, authorities, self._wall.now())
            if word.status != "whole":
                status = "CertificateExpired" if word.status == "expired" else "CertChainError"
                judged = msgspec.structs.replace(proof, status=status, why=word.why, wanted=())
                return msgspec.structs.replace(fact, proof=judged)
            if not same_contract(word.common_name, fact.id_token):
                why = f"the certificate is of the contract {word.common_name}"
                judged = msgspec.structs.replace(proof, status="CertChainError", why=why, wanted=())
                return msgspec.structs.replace(fact, proof=judged)
            proof = msgspec.structs.replace(proof, wanted=word.wanted)
            authorities = (*authorities, *read_authorities(proof.chain or ""))
        found = await self._find(proof.wanted, authorities)
        status, why = worth_of(found)
        judged = msgspec.structs.replace(proof, found=found, status=status, why=why)
        return msgspec.structs.replace(fact, proof=judged)

    async def _find(
        self, wanted: Sequence[StatusWanted], authorities: Sequence[str]
    ) -> tuple[StatusFound, ...]:
        """Asks about all of them at once, and about each wherever it may be asked about."""
        asking = [asyncio.ensure_future(self._ask_one(each, authorities)) for each in wanted]
        try:
            if asking:
                await asyncio.wait(asking, timeout=ERRAND_S)
        finally:
            # Also where the station has left: nobody else ends those that wait for a turn.
            for each in asking:
                each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        slow = StatusFound(status="failed", why="the responder was too slow")
        found = (
            slow if each.cancelled() or each.exception() is not None else each.result()
            for each in asking
        )
        return tuple(found)

    async def _ask_one(self, wanted: StatusWanted, authorities: Sequence[str]) -> StatusFound:
        found = StatusFound(status="failed", why="the certificate names no responder")
        for url in wanted.urls:
            found = await self._ask_responder(wanted, url, authorities)
            if found.status != "failed":
                break
        return found

    async def _ask_responder(
        self, wanted: StatusWanted, url: str, authorities: Sequence[str]
    ) -> StatusFound:
        if why := why_not_asked(url, self._hosts):
            return StatusFound(status="failed", why=why, responder=url)
        key = (wanted, url)
        now = self._wall.now()
        known, until = self._known.get(key, (None, now))
        if known is not None and now < until:
            return msgspec.structs.replace(known, cached=True)
        try:
            data, word = await self._word(wanted, url, authorities)
        except BadInput as error:
            return StatusFound(status="failed", why=error.detail, responder=url)
        now = self._wall.now()
        if why := why_out_of_time(word.this_update_at, word.next_update_at, now + AHEAD, now):
            return StatusFound(status="failed", why=why, responder=url)
        found = StatusFound(
            status=word.status,
            why=None if word.verified else "nobody who is trusted has signed the answer",
            responder=url,
            verified=word.verified,
            next_update_at=word.next_update_at,
            response=data if wanted.source == "OCSP" else None,
        )
        if word.next_update_at is not None:
            until = (
                word.next_update_at if word.verified else min(word.next_update_at, now + DOUBTED)
            )
            self._known[key] = (found, until)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found

    async def _word(
        self, wanted: StatusWanted, url: str, authorities: Sequence[str]
    ) -> tuple[bytes, StatusWord]:
        if wanted.source == "CRL":
            data = await self._fetch("GET", url, None, {}, CRL_BYTES_MAX)
            return data, read_list(data, wanted.certificate, authorities)
        question = ocsp_request(wanted.certificate)
        kinds = ("application/ocsp-request", "application/ocsp-response")
        headers = {"Content-Type": kinds[0], "Accept": kinds[1]}
        data = await self._fetch("POST", url, question, headers, OCSP_BYTES_MAX)
        return data, read_ocsp(data, wanted.certificate, authorities, self._wall.now())

    async def _fetch_contract(self, fact: ContractAsked) -> Fact:
        try:
            async with asyncio.timeout(ERRAND_S):
                found = await self._ask_pool(fact)
        except TimeoutError:
            found = ContractFound(accepted=False, why="the contract pool was too slow")
        return msgspec.structs.replace(fact, found=found)

    async def _ask_pool(self, fact: ContractAsked) -> ContractFound:
        if self._pool is None:
            why = "there is no contract pool: the setting contract_pool_url is not set"
            return ContractFound(accepted=False, why=why)
        question = {
            "station": fact.station,
            "action": fact.action,
            "schema_version": fact.schema_version,
            "exi_request": fact.exi_request,
            "maximum_contract_certificate_chains": fact.maximum_chains,
            "prioritized_emaids": list(fact.prioritized),
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._pool.token is not None:
            headers["Authorization"] = f"Bearer {self._pool.token}"
        body = msgspec.json.encode(question)
        try:
            data = await self._fetch(
                "POST", self._pool.url, body, headers, POOL_BYTES_MAX, turn=_POOL_TURN
            )
            answer = msgspec.json.decode(data, type=_PoolAnswer)
            base64.b64decode(answer.exi_response, validate=True)
        except BadInput as error:
            return ContractFound(accepted=False, why=error.detail)
        except (msgspec.MsgspecError, binascii.Error, UnicodeError, ValueError) as error:
            return ContractFound(accepted=False, why=f"the pool's answer makes no sense: {error}")
        if len(answer.exi_response) > fact.answer_max:
            why = f"the answer for the car has over {fact.answer_max} characters"
            return ContractFound(accepted=False, why=why)
        accepted = answer.status == "Accepted"
        left = answer.remaining_contracts
        return ContractFound(
            accepted=accepted,
            exi_response=answer.exi_response,
            remaining_contracts=left if left is not None and 0 <= left < 2**31 else None,
            why=None if accepted else answer.reason or "the contract pool says no",
        )

    async def _fetch(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        most: int,
        *,
        turn: str | None = None,
    ) -> bytes:
        """Returns what an address answers with status 200, as `most` bytes at most.

        Args:
            method: of HTTP.
            url: where.
            body: what is asked.
            headers: that go with it.
            most: bytes of the answer.
            turn: with whom it shares a turn; None: with whatever else is asked of its host.

        Raises:
            BadInput: if it answers otherwise, too slowly, too much, or not at all.
        """
        if self._http is None:
            # The turns are the limit: connections to one host must not keep others waiting.
            self._http = httpx.AsyncClient(
                timeout=ASK_S,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE),
            )
        read = bytearray()
        try:
            async with (
                # The turn first: who has to wait for it is not slow. `ERRAND_S` ends the wait.
                self._turns.at(turn or _place(url)),
                asyncio.timeout(ASK_S),
                self._http.stream(method, url, content=body, headers=headers) as answer,
            ):
                if answer.status_code != _OK:
                    raise BadInput(f"{_place(url)} answers with status {answer.status_code}")
                async for piece in answer.aiter_bytes():
                    read += piece
                    if len(read) > most:
                        raise BadInput(f"{_place(url)} answers with more than {most} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            _log.info("not_found_out", place=_place(url), error=str(error))
            raise BadInput(f"{_place(url)} can't be reached") from None
        except TimeoutError:
            raise BadInput(f"{_place(url)} does not answer within {ASK_S:g} s") from None
        return bytes(read)


def _base64_length(data: bytes) -> int:
    return -(-len(data) // 3) * 4


def _place(url: str) -> str:
    try:
        return httpx.URL(url).netloc.decode("ascii", "replace")
    except httpx.InvalidURL:
        return "the address"


def _read_file(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        return read_authorities(path.read_text(encoding="utf-8"))
    except OSError as error:
        why = error.strerror or str(error)
    except (UnicodeDecodeError, BadInput):
        why = "it holds no certificates in PEM"
    raise BadInput(f"contract_authorities: can't read {path}: {why}")
