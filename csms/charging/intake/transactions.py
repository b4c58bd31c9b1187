"""Decides about the beginning, the course and the end of transactions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from csms.access.intake import load_tokens, site_rules, token_of
from csms.access.rules import is_family, is_master, judge, token_key
from csms.billing.intake import cost_told
from csms.charging.intake.cars import load_candidates, with_car, with_command
from csms.charging.intake.guesses import (
    UNKNOWN_IDS,
    guess_stop,
    load_open,
    marked,
    whole_registers,
)
from csms.charging.intake.keeping import (
    brief_of,
    digest_of,
    keep_loose,
    load_presented,
    load_transactions,
    meter,
    move_vehicle,
    odd,
    priced,
    tell,
    unknown_transaction,
    wish_plan,
    with_tariff,
)
from csms.charging.intake.kinds import MESSAGES, TRANSACTIONS, MessageState
from csms.charging.rules import (
    GUESSED,
    TransactionState,
    closed,
    continued,
    counted,
    doubted,
    is_repaired,
    is_reused,
    match_start,
    may_find_car,
    opened,
    set_aside,
    start_key,
    superseded,
)
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import placed
from models.answers import Answer, TokenStatus, TransactionAnswer
from models.facts import Reading, TransactionReported

_STOP_SEQ_NO = -1
_STOPPED = "StopAuthorized"
_STRANGER = "stopped-by-stranger"
_NEXT = "next transaction"
_RESERVE = (
    "INSERT INTO sequence (name, value) VALUES ('transaction', ?)"
    " ON CONFLICT (name) DO UPDATE SET value = sequence.value + excluded.value RETURNING value"
)
_RENAMES = tuple(
    f"UPDATE {table} SET ocpp_transaction_id = ? WHERE station = ? AND ocpp_transaction_id = ?"  # noqa: S608
    for table in ("charging_transaction", "reading", "transaction_message")
)


class TransactionDecider:
    """A transaction has begun, gone on or ended."""

    def load(self, batch: Batch, facts: Sequence[TransactionReported]) -> None:
        """Fetches the transactions, and for new ones all that tells whose car it is."""
        load_presented(batch, facts)
        load_transactions(batch, facts)
        starts = [fact for fact in facts if _is_start_16(fact)]
        keys = [(fact.station, start_key(fact)) for fact in starts]
        batch.rows(TRANSACTIONS).find(("station", "start_key"), keys)
        numbered = [
            (fact.station, fact.ocpp_transaction_id, _seq_no(fact))
            for fact in facts
            if fact.ocpp_transaction_id is not None
        ]
        batch.rows(MESSAGES).find(("station", "ocpp_transaction_id", "seq_no"), numbered)
        if starts:
            batch.memo[_NEXT] = reserve_numbers(batch, len(starts))
        load_open(batch, facts)
        unknown = [
            fact for fact in facts if fact.remote_start_id is not None or _may_find_car(batch, fact)
        ]
        if unknown:
            load_candidates(batch, unknown)

    def decide(self, batch: Batch, fact: TransactionReported, note: MessageNote | None) -> Answer:
        """Sends each kind of report its way."""
        if _is_start_16(fact):
            return _start_16(batch, fact, note)
        ocpp_id = fact.ocpp_transaction_id or ""
        known = batch.rows(TRANSACTIONS).peek((fact.station, ocpp_id))
        guessed = None
        if fact.scheme == "1.6" and (known is None or ocpp_id in UNKNOWN_IDS):
            known = guessed = guess_stop(batch, fact)
        same = _same_number(batch, fact)
        digest = digest_of(fact, note)
        if digest in same:
            return _answer(batch, fact)
        if fact.scheme == "1.6" and known is None:
            keep_loose(batch, fact, ocpp_id, fact.evse_id or 0, _with_meter(fact))
            unknown_transaction(batch, fact, ocpp_id, note)
            return _answer(batch, fact)
        if known is not None and is_reused(known, fact):
            known, same = _set_aside(batch, known, fact), []
        received = MessageState(fact.station, ocpp_id, _seq_no(fact), digest, fact.received_at)
        batch.rows(MESSAGES).put(received)
        if known is not None and same and fact.scheme == "2.x":
            odd(batch, fact, "seq-conflict", f"seqNo {fact.seq_no} came with two contents", known)
            known = doubted(known, "seq-conflict", batch.now)
        if fact.scheme == "1.6":
            assert known is not None
            if guessed is not None:
                odd(batch, fact, GUESSED, f"it was ended as transaction {ocpp_id}", known)
            _stop_16(batch, known, marked(fact) if guessed is not None else fact)
        else:
            _event_2x(batch, known, fact, ocpp_id)
        return _answer(batch, fact)


def reserve_numbers(batch: Batch, count: int) -> int:
    """Returns the first of `count` transaction ids for 1.6, which nobody has had or will have."""
    reserve = placed(_RESERVE, batch.driver.dialect)
    return batch.driver.fetch(reserve, (count,))[0][0] - count + 1


def _start_16(batch: Batch, fact: TransactionReported, note: MessageNote | None) -> Answer:
    """Gives a transaction its number; the same number again for the same start."""
    digest = digest_of(fact, note, note.message_id if note is not None else "")
    key = start_key(fact)
    same = [each for each in batch.rows(TRANSACTIONS).group(fact.station) if each.start_key == key]
    replayed = match_start(same, fact, digest)
    if replayed is not None:
        return _answer(batch, fact, transaction_id=int(replayed.ocpp_transaction_id))
    number: int = batch.memo[_NEXT]
    batch.memo[_NEXT] = number + 1
    state = _open(batch, fact, str(number), digest)
    batch.rows(TRANSACTIONS).put(state)
    tell(batch, "transaction.started", state)
    concurrent = state.token_status == "ConcurrentTx"  # noqa: S105 - a status, no secret
    status: TokenStatus | None = "ConcurrentTx" if concurrent else None
    return _answer(batch, fact, transaction_id=number, status=status)


def _stop_16(batch: Batch, known: TransactionState, fact: TransactionReported) -> None:
    """Ends a transaction; a second, different stop is only marked."""
    if known.stopped_at is not None and not is_repaired(known):
        odd(batch, fact, "second-stop", "its StopTransaction came with two contents", known)
        batch.rows(TRANSACTIONS).put(doubted(known, "second-stop", batch.now))
        return
    known, fact = whole_registers(batch, _with_who_stopped(batch, known, fact), fact)
    state = meter(batch, closed(known, fact, batch.now), fact, history=True)
    assert state.stopped_at is not None
    state = priced(batch, counted(state, fact.meter_wh, state.stopped_at, batch.now), fact)
    batch.rows(TRANSACTIONS).put(state)
    _ended(batch, known, state, fact)


def _event_2x(
    batch: Batch, known: TransactionState | None, fact: TransactionReported, ocpp_id: str
) -> None:
    """Opens, moves on or ends a transaction that the station has numbered."""
    if known is None:
        before = state = _open(batch, fact, ocpp_id, None)
    else:
        before, state = known, continued(known, fact, batch.now)
        if fact.remote_start_id is not None and state.command_id is None:
            # The cable came first, so that the remote start found a transaction there.
            state = with_command(batch, state, fact)
        if may_find_car(known, fact):
            state = with_car(batch, state, brief_of(batch, fact))
        if known.stopped_at is None or is_repaired(known):
            state = _with_who_stopped(batch, state, fact)
    ending = fact.kind == "ended" and (state.stopped_at is None or is_repaired(state))
    if ending:
        state = closed(state, fact, batch.now)
    state = priced(batch, meter(batch, state, fact, history=fact.kind == "ended"), fact)
    batch.rows(TRANSACTIONS).put(state)
    if known is None:
        tell(batch, "transaction.started", state)
    if ending:
        _ended(batch, before, state, fact)
        return
    if known is not None:
        tell(batch, "transaction.updated", state)
    move_vehicle(batch, before, state, fact.readings)


def _ended(
    batch: Batch, before: TransactionState, after: TransactionState, fact: TransactionReported
) -> None:
    repaired = before.stopped_at is not None
    tell(batch, "transaction.repaired" if repaired else "transaction.ended", after)
    move_vehicle(batch, before, after, fact.readings)
    wish_plan(batch, after, "transaction ended")


def _open(
    batch: Batch, fact: TransactionReported, ocpp_id: str, digest: str | None
) -> TransactionState:
    """Returns a new transaction with its car; ends what still seems to run on its EVSE."""
    brief = brief_of(batch, fact)
    state = opened(
        fact,
        id=batch.ids.new(),
        tenant_id=brief.tenant_id,
        ocpp_transaction_id=ocpp_id,
        digest=digest,
        now=batch.now,
    )
    state = with_tariff(batch, brief, state)
    for other in batch.rows(TRANSACTIONS).group(fact.station):
        if other.stopped_at is None and other.evse_id == state.evse_id and state.evse_id:
            repaired = superseded(other, state, batch.now)
            if repaired is not None:
                repaired = priced(batch, repaired)
                batch.rows(TRANSACTIONS).put(repaired)
                tell(batch, "transaction.repaired", repaired)
                odd(batch, fact, "stop-missing", "the next one began on its EVSE", other)
    state = with_car(batch, with_command(batch, state, fact), brief)
    if state.vehicle_id is None:
        odd(batch, fact, "vehicle-unknown", "no car could be found for it", state)
    wish_plan(batch, state, "transaction started")
    return state


def _set_aside(batch: Batch, known: TransactionState, fact: TransactionReported) -> None:
    """Gives an ended transaction's id free for the new one that the station uses it for."""
    aside = set_aside(known, batch.now)
    names = (aside.ocpp_transaction_id, known.station, known.ocpp_transaction_id)
    for sql in _RENAMES:
        batch.driver.many(placed(sql, batch.driver.dialect), [names])
    batch.rows(MESSAGES).forget(known.station)
    batch.rows(TRANSACTIONS).rekey((known.station, known.ocpp_transaction_id), aside)
    odd(batch, fact, "id-reused", f"the station uses {known.ocpp_transaction_id} again", known)


def _same_number(batch: Batch, fact: TransactionReported) -> list[str]:
    """Returns the digests of messages with this number that were taken in before."""
    number = _seq_no(fact)
    return [
        each.digest
        for each in batch.rows(MESSAGES).group(fact.station)
        if each.ocpp_transaction_id == fact.ocpp_transaction_id and each.seq_no == number
    ]


def _answer(
    batch: Batch,
    fact: TransactionReported,
    *,
    transaction_id: int | None = None,
    status: TokenStatus | None = None,
) -> TransactionAnswer:
    """Returns what a station is told; a function of what is kept, so that a replay is told it."""
    cost = _told_cost(batch, fact)
    if fact.id_token is None:
        return TransactionAnswer(transaction_id, total_cost=cost)
    brief = brief_of(batch, fact)
    token = token_of(batch, brief.tenant_id, fact.id_token)
    if status is None:
        master = not _may_stop(fact) and is_master(token, site_rules(batch, brief.site_id))
        status = "Invalid" if master else judge(token, batch.now)
    return TransactionAnswer(
        transaction_id,
        token_status=status,
        expires_at=token.expires_at if token else None,
        group_token=token.parent if token else None,
        total_cost=cost,
    )


def _may_stop(fact: TransactionReported) -> bool:
    """Returns whether the token of a report has ended its transaction, or is about to."""
    return fact.kind == "ended" or fact.trigger == _STOPPED


def _with_who_stopped(
    batch: Batch, state: TransactionState, fact: TransactionReported
) -> TransactionState:
    """Returns a transaction with the token that ends it; who had no right to is for a person."""
    text = fact.id_token
    if text is None or not _may_stop(fact):
        return state
    brief, owner = brief_of(batch, fact), state.id_token
    if owner is not None and token_key(owner) != token_key(text):
        load_tokens(batch, [(brief.tenant_id, owner)])
        token, holder = (token_of(batch, brief.tenant_id, each) for each in (text, owner))
        group = holder.parent if holder else None
        family = is_family(owner, group, text, token.parent if token else None)
        if not family and not is_master(token, site_rules(batch, brief.site_id)):
            odd(batch, fact, _STRANGER, "it was ended by a token that is not of its group", state)
            state = doubted(state, _STRANGER, batch.now)
    return msgspec.structs.replace(state, stopped_by=text)


def _told_cost(batch: Batch, fact: TransactionReported) -> Decimal | None:
    """Returns what a 2.x station is to show as the cost of its transaction, if it is."""
    known = batch.rows(TRANSACTIONS).peek((fact.station, fact.ocpp_transaction_id))
    if known is None or known.tariff_id is None or fact.scheme == "1.6":
        return None
    return known.cost if cost_told(batch, known.id, fact.kind) else None


def _may_find_car(batch: Batch, fact: TransactionReported) -> bool:
    """Returns whether the fact opens a transaction, or shows the token of one without a car."""
    if fact.scheme == "1.6":
        return _is_start_16(fact)
    return may_find_car(
        batch.rows(TRANSACTIONS).peek((fact.station, fact.ocpp_transaction_id)), fact
    )


def _is_start_16(fact: TransactionReported) -> bool:
    return fact.scheme == "1.6" and fact.kind == "started"


def _seq_no(fact: TransactionReported) -> int:
    return _STOP_SEQ_NO if fact.seq_no is None else fact.seq_no


def _with_meter(fact: TransactionReported) -> Sequence[Reading]:
    """Returns the readings of a stop, the register value of the stop itself among them."""
    if fact.meter_wh is None:
        return fact.readings
    last = Reading(fact.measured_at, context="Transaction.End", energy_wh=fact.meter_wh)
    return (*fact.readings, last)
