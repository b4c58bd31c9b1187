"""`Idempotency-Key`: the same POST twice is done once and answered alike for 24 hours.

The answer is a row in the same transaction as the change, so there is no moment at which one is
stored without the other. Secrets in answers are not stored: the second
answer has null for them. Keys belong to the API key that sent them. Refusals that came from the
state of the house (4xx of our own errors) are remembered too; malformed input and our own
failures are not, because nothing was decided.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from csms.ledger.work import UnitOfWork
from csms.web.identity import caller_of
from csms.web.problem import bad_field
from csms.web.reply import Reply
from models.errors import Conflict, FleetError, NoAnswer, NotFound, StationFault
from models.tables.access import IdempotentAnswer

KEPT_FOR = timedelta(hours=24)
KEY_LENGTH_MAX = 200
_UNDER_WAY = 0
_KEPT_HEADERS = ("content-type", "location", "etag", "retry-after", "content-language", "vary")
_DECIDED = (Conflict, NotFound, StationFault, NoAnswer)


class AnsweredBefore(Exception):
    """Carries the answer that the same request was given before."""

    def __init__(self, answer: Response) -> None:
        super().__init__("answered before")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Claim:
    """One request's claim on its `Idempotency-Key`."""

    key: str
    request_hash: str

    async def reserve(self, work: UnitOfWork) -> None:
        """Takes the key, or ends the request with what it was answered before.

        Raises:
            AnsweredBefore: if the same request has an answer.
            BadInput: if the key was used for another request.
            Conflict: if the first such request is still under way or broke off.
            IntegrityError: if a request at the same moment took it first.
        """
        await work.session.execute(
            sa.delete(IdempotentAnswer).where(IdempotentAnswer.created_at < work.now - KEPT_FOR)
        )
        row = await work.session.get(IdempotentAnswer, (work.tenant, self.key))
        if row is None:
            row = self._row(work, _UNDER_WAY, {}, "")
            work.session.add(row)
            # Two requests at once: the second one waits here for the first one's commit on
            # PostgreSQL and then fails on the primary key; on SQLite it waited before.
            await work.session.flush()
            return
        if row.request_hash != self.request_hash:
            raise bad_field("", "this Idempotency-Key was used for another request")
        if row.status == _UNDER_WAY:
            raise Conflict(
                "the request with this Idempotency-Key has no answer yet", code="in-progress"
            )
        raise AnsweredBefore(
            Response(row.body.encode(), status_code=row.status, headers=dict(row.headers))
        )

    async def keep(self, work: UnitOfWork, answer: Response) -> None:
        """Stores the answer, to be committed with the change."""
        headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        body = answer.remembered if isinstance(answer, Reply) else bytes(answer.body)
        await work.session.merge(self._row(work, answer.status_code, headers, body.decode()))

    async def release(self, work: UnitOfWork) -> None:
        """Gives the key free again: nothing was decided."""
        await work.session.execute(
            sa.delete(IdempotentAnswer).where(
                IdempotentAnswer.tenant_id == work.tenant, IdempotentAnswer.key == self.key
            )
        )

    def _row(
        self, work: UnitOfWork, status: int, headers: dict[str, str], body: str
    ) -> IdempotentAnswer:
        return IdempotentAnswer(
            tenant_id=work.tenant,
            key=self.key,
            request_hash=self.request_hash,
            status=status,
            headers=headers,
            body=body,
            created_at=work.now,
        )


async def claim_of(request: Request) -> Claim | None:
    """Returns the claim of a POST that has an `Idempotency-Key`.

    Raises:
        BadInput: if the key is empty or too long.
    """
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return None
    if not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise bad_field("", f"an Idempotency-Key has 1 to {KEY_LENGTH_MAX} characters")
    digest = hashlib.sha256()
    for part in (request.method.encode(), request.url.path.encode(), await request.body()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return Claim(f"{caller_of(request).key_id}:{key}", digest.hexdigest())


def is_decided(error: FleetError) -> bool:
    """Returns whether an error is an answer worth keeping: the house has decided on the request."""
    return isinstance(error, _DECIDED)
