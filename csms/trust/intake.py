"""Keeps what stations have asked about certificates, and what was found out; see `errands`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from csms.ledger.batch import Batch, MessageNote, clean
from csms.ledger.bulk import RowKind
from models.answers import Answer, VerdictAnswer
from models.facts import Fact
from models.facts.trust import CertificateChainAsked, CertificateStatusAsked, ContractAsked
from models.proofs import Proof, StatusFound, StatusWanted
from models.tables.trust import CertificateCheck, ContractRequest


class CheckRow(msgspec.Struct, frozen=True):
    """A certificate that was asked about."""

    station: str
    asked_at: datetime
    purpose: str
    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    responder: str | None
    status: str
    why: str | None
    verified: bool
    cached: bool
    next_update_at: datetime | None


class ContractRow(msgspec.Struct, frozen=True):
    """A request for the certificate of a contract."""

    station: str
    asked_at: datetime
    action: str
    schema_version: str
    exi_request: str
    maximum_chains: int | None
    prioritized: list[Any] | None
    status: str
    why: str | None
    exi_response: str | None
    remaining_contracts: int | None


_CHECKS = RowKind(CertificateCheck.__table__, CheckRow, key=("id",))
_CONTRACTS = RowKind(ContractRequest.__table__, ContractRow, key=("id",))
_NOT_LOOKED = StatusFound(status="failed", why="nobody was asked")


class CertificateDecider:
    """A car wants to know of a certificate."""

    def load(self, batch: Batch, facts: Sequence[CertificateStatusAsked]) -> None:
        """Needs nothing."""

    def decide(
        self,
        batch: Batch,
        fact: CertificateStatusAsked,
        note: MessageNote | None,  # noqa: ARG002
    ) -> Answer:
        """Keeps the question with what was found."""
        _keep(
            batch, fact, "certificate", (fact.wanted,), () if fact.found is None else (fact.found,)
        )
        return VerdictAnswer(accepted=True)


class ChainDecider:
    """A station wants to know of several certificates."""

    def load(self, batch: Batch, facts: Sequence[CertificateChainAsked]) -> None:
        """Needs nothing."""

    def decide(self, batch: Batch, fact: CertificateChainAsked, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps each question with what was found."""
        _keep(batch, fact, "chain", fact.wanted, fact.found)
        return VerdictAnswer(accepted=True)


class ContractDecider:
    """A car asks for the certificate of its contract."""

    def load(self, batch: Batch, facts: Sequence[ContractAsked]) -> None:
        """Needs nothing."""

    def decide(self, batch: Batch, fact: ContractAsked, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps the request with the pool's answer."""
        found = fact.found
        row = ContractRow(
            station=fact.station,
            asked_at=fact.received_at,
            action=fact.action,
            schema_version=clean(fact.schema_version),
            exi_request=clean(fact.exi_request),
            maximum_chains=fact.maximum_chains,
            prioritized=[clean(each) for each in fact.prioritized] or None,
            status="Accepted" if found is not None and found.accepted else "Failed",
            why=None if found is None or found.why is None else clean(found.why),
            exi_response=(found and found.exi_response) or None,
            remaining_contracts=None if found is None else found.remaining_contracts,
        )
        batch.add(_CONTRACTS, row)
        return VerdictAnswer(accepted=True)


def keep_proof(batch: Batch, fact: Fact, proof: Proof) -> None:
    """Keeps what was asked about the certificates of a contract that is to charge."""
    _keep(batch, fact, "token", proof.wanted, proof.found)


def _keep(
    batch: Batch,
    fact: Fact,
    purpose: str,
    wanted: Iterable[StatusWanted],
    found: Sequence[StatusFound],
) -> None:
    for place, each in enumerate(wanted):
        word = found[place] if place < len(found) else _NOT_LOOKED
        row = CheckRow(
            station=fact.station,
            asked_at=fact.received_at,
            purpose=purpose,
            hash_algorithm=each.certificate.hash_algorithm,
            issuer_name_hash=clean(each.certificate.issuer_name_hash),
            issuer_key_hash=clean(each.certificate.issuer_key_hash),
            serial_number=clean(each.certificate.serial_number),
            responder=None if word.responder is None else clean(word.responder),
            status=word.status,
            why=None if word.why is None else clean(word.why),
            verified=word.verified,
            cached=word.cached,
            next_update_at=word.next_update_at,
        )
        batch.add(_CHECKS, row)
