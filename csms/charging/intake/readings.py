"""Decides about meter values that come by themselves, and about tokens that are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from csms.access.intake import site_rules, token_of
from csms.access.rules import judge, takes_contracts
from csms.charging.intake.guesses import (
    guess_readings,
    load_open,
    marked,
    whole_registers,
)
from csms.charging.intake.keeping import (
    brief_of,
    keep_loose,
    load_presented,
    load_transactions,
    meter,
    move_vehicle,
    priced,
    tell,
    unknown_transaction,
)
from csms.charging.intake.kinds import TRANSACTIONS
from csms.ledger.batch import Batch, MessageNote
from csms.stations.intake import BRIEFS
from csms.trust.intake import keep_proof
from csms.trust.rules import token_status
from models.answers import EMPTY, Answer, TokenAnswer
from models.facts import ReadingsReported, TokenPresented


class TokenDecider:
    """Somebody asks whether a token may charge."""

    def load(self, batch: Batch, facts: Sequence[TokenPresented]) -> None:
        """Fetches the tokens."""
        load_presented(batch, facts)

    def decide(self, batch: Batch, fact: TokenPresented, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Says what is known of the token, and keeps what was found out about its certificates."""
        brief = brief_of(batch, fact)
        token = token_of(batch, brief.tenant_id, fact.id_token)
        status, worth = judge(token, batch.now), None
        if fact.proof is not None:
            keep_proof(batch, fact, fact.proof)
            status = token_status(status, fact.proof)
            worth = fact.proof.status or "NoCertificateAvailable"
            if not takes_contracts(site_rules(batch, brief.site_id)):
                status, worth = "NotAllowedTypeEVSE", "NoCertificateAvailable"
        return TokenAnswer(
            status,
            proof=worth,
            expires_at=token.expires_at if token else None,
            group_token=token.parent if token else None,
        )


class ReadingsDecider:
    """Meter values, of a transaction or of an EVSE."""

    def load(self, batch: Batch, facts: Sequence[ReadingsReported]) -> None:
        """Fetches the transactions and their cars."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        load_transactions(batch, facts)
        load_open(batch, facts)

    def decide(self, batch: Batch, fact: ReadingsReported, note: MessageNote | None) -> Answer:
        """Keeps every reading once, with the transaction that it belongs to, if there is one."""
        ocpp_id = fact.ocpp_transaction_id
        known = batch.rows(TRANSACTIONS).peek((fact.station, ocpp_id)) if ocpp_id else None
        guessed = guess_readings(batch, fact)
        if guessed is not None:
            known, fact = guessed, marked(fact)
        if known is None:
            keep_loose(batch, fact, ocpp_id or "", fact.evse_id, fact.readings)
            if ocpp_id:
                unknown_transaction(batch, fact, ocpp_id, note)
            return EMPTY
        whole, fact = whole_registers(batch, known, fact)
        state = meter(batch, whole, fact)
        if state is not known:
            state = priced(batch, state, fact)
            batch.rows(TRANSACTIONS).put(state)
            tell(batch, "transaction.updated", state)
            move_vehicle(batch, known, state, fact.readings)
        return EMPTY
