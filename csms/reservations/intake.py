"""Decides what stations say about reservations: in answers, reports, statuses and transactions.

A transaction, a status and the answer to a command are decided where they belong; what they mean
for reservations is added here, in the same commit. What concerns no reservation costs no query.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from csms.access.intake import token_of
from csms.charging.intake.kinds import TRANSACTIONS
from csms.ledger.batch import Batch, Decider, MessageNote
from csms.ledger.bulk import RowKind
from csms.reservations.queries import reservation_resource
from csms.reservations.rules import (
    ReservationState,
    Settled,
    Start,
    out_of_service,
    reported,
    settled,
    used,
)
from csms.stations.intake import BRIEFS, COMMANDS, CONNECTORS
from csms.stations.rules import OUT_OF_SERVICE, CommandState
from models.answers import EMPTY, Answer, TransactionAnswer
from models.commands import CancelReservation, ReserveEvse, decode_command
from models.facts import (
    CommandSettled,
    ConnectorReported,
    ReservationReported,
    TransactionReported,
)
from models.states import RESERVATION_OPEN
from models.tables.reservations import Reservation

RESERVATIONS = RowKind(
    Reservation.__table__,
    ReservationState,
    key=("id",),
    mutable=(
        "state",
        "answer",
        "why",
        "ended_at",
        "transaction_id",
        "to_release",
        "version",
        "updated_at",
    ),
    settled=lambda row: not row.is_open,
)
_OPEN = f"t.state IN {RESERVATION_OPEN}"
_SEEN = "reservations"
_KINDS = frozenset({"ReserveEvse", "CancelReservation"})


class _Response(msgspec.Struct):
    status: str | None = None


class ReservationDecider:
    """A station keeps an EVSE free no longer."""

    def load(self, batch: Batch, facts: Sequence[ReservationReported]) -> None:
        """Fetches the reservations."""
        _load(batch, numbers=[fact.reservation_id for fact in facts])

    def decide(self, batch: Batch, fact: ReservationReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Ends it."""
        for row in _of_station(batch, fact.station):
            if row.reservation_id == fact.reservation_id:
                _put(batch, reported(row, fact.update, batch.now))
        return EMPTY


class ReservingAnswers:
    """A command has an end: that of one about a reservation changes it."""

    def __init__(self, inner: Decider[CommandSettled]) -> None:
        self._inner = inner

    def load(self, batch: Batch, facts: Sequence[CommandSettled]) -> None:
        """Fetches the commands, and the reservations that some are about."""
        self._inner.load(batch, facts)
        commands = map(batch.rows(COMMANDS).get, (fact.command_id for fact in facts))
        about = [_order(each) for each in commands if each is not None and each.kind in _KINDS]
        if about:
            batch.rows(BRIEFS).load(fact.station for fact in facts)
            _load(batch, numbers=[order.reservation_id for order in about])

    def decide(self, batch: Batch, fact: CommandSettled, note: MessageNote | None) -> Answer:
        """Keeps the command's fate, and what follows from it."""
        before = batch.rows(COMMANDS).get(fact.command_id)
        answer = self._inner.decide(batch, fact, note)
        after = batch.rows(COMMANDS).get(fact.command_id)
        if after is None or after is before or after.kind not in _KINDS:
            return answer
        order = _order(after)
        for row in _of_station(batch, after.station):
            if row.reservation_id == order.reservation_id:
                # The first order was made together with the reservation.
                told = _told(order, fact, again=after.created_at > row.created_at)
                _put(batch, settled(row, told, batch.now))
        return answer


class ReservedConnectors:
    """A connector has a status: one that is out of service is kept for nobody."""

    def __init__(self, inner: Decider[ConnectorReported]) -> None:
        self._inner = inner

    def load(self, batch: Batch, facts: Sequence[ConnectorReported]) -> None:
        """Fetches what the status needs, and the reservations that it may end."""
        self._inner.load(batch, facts)
        down = [fact.station for fact in facts if fact.status in OUT_OF_SERVICE]
        _load(batch, stations=down)

    def decide(self, batch: Batch, fact: ConnectorReported, note: MessageNote | None) -> Answer:
        """Keeps the status, and ends reservations that can't be kept."""
        answer = self._inner.decide(batch, fact, note)
        if fact.status in OUT_OF_SERVICE:
            plugs = batch.rows(CONNECTORS).group(fact.station)
            statuses = [(plug.evse_id, plug.status) for plug in plugs]
            for row in _of_station(batch, fact.station):
                _put(batch, out_of_service(row, statuses, batch.now))
        return answer


class ReservedTransactions:
    """A transaction begins: it may use a reservation."""

    def __init__(self, inner: Decider[TransactionReported]) -> None:
        self._inner = inner

    def load(self, batch: Batch, facts: Sequence[TransactionReported]) -> None:
        """Fetches what the transaction needs, and the reservations that it may use."""
        self._inner.load(batch, facts)
        mine = [fact for fact in facts if _may_use(fact)]
        numbers = [each.reservation_id for each in mine if each.reservation_id is not None]
        _load(batch, stations=[fact.station for fact in mine], numbers=numbers)

    def decide(self, batch: Batch, fact: TransactionReported, note: MessageNote | None) -> Answer:
        """Keeps the transaction, and ends the reservation that it uses."""
        answer = self._inner.decide(batch, fact, note)
        if not _may_use(fact):
            return answer
        ocpp_id = fact.ocpp_transaction_id
        if isinstance(answer, TransactionAnswer) and answer.transaction_id is not None:
            ocpp_id = str(answer.transaction_id)
        transaction = batch.rows(TRANSACTIONS).peek((fact.station, ocpp_id))
        brief = batch.rows(BRIEFS).get(fact.station)
        if transaction is None or brief is None:
            return answer
        token = token_of(batch, brief.tenant_id, fact.id_token) if fact.id_token else None
        start = Start(
            transaction_id=transaction.id,
            evse_id=transaction.evse_id,
            began_at=transaction.started_at,
            token=fact.id_token,
            parent=token.parent if token else None,
            reservation_id=fact.reservation_id,
        )
        _put(batch, used(_of_station(batch, fact.station), start, batch.now))
        return answer


def _may_use(fact: TransactionReported) -> bool:
    """A 1.6 stop names who has stopped it; an end of 2.x may be all that is ever told."""
    if fact.kind == "ended":
        return fact.scheme == "2.x" and fact.reservation_id is not None
    return fact.id_token is not None or fact.reservation_id is not None


def _order(command: CommandState) -> ReserveEvse | CancelReservation:
    order = decode_command(command.body)
    assert isinstance(order, ReserveEvse | CancelReservation)
    return order


def _told(order: ReserveEvse | CancelReservation, fact: CommandSettled, *, again: bool) -> Settled:
    word = None
    if fact.response is not None:
        word = msgspec.json.decode(fact.response, type=_Response).status
    return Settled(
        asked="reserve" if isinstance(order, ReserveEvse) else "cancel",
        state=fact.state,
        again=again,
        accepted=fact.outcome == "accepted",
        word=word,
        error_code=fact.error_code,
        detail=fact.detail,
    )


def _load(batch: Batch, *, numbers: Iterable[int] = (), stations: Iterable[str] = ()) -> None:
    """Fetches reservations by the stations' numbers, and the open ones of stations."""
    rows = batch.rows(RESERVATIONS)
    found: list[ReservationState] = []
    # No station's number is larger than what goes into the column, whatever it says.
    wanted = [number for number in dict.fromkeys(numbers) if 0 < number < 2**63]
    if wanted:
        found += rows.find(("reservation_id",), wanted)
    if names := list(dict.fromkeys(stations)):
        found += rows.find(("station",), names, _OPEN)
    if found:
        seen: dict[str, None] = batch.memo.setdefault(_SEEN, {})
        seen.update(dict.fromkeys(row.id for row in found))


def _of_station(batch: Batch, station: str) -> list[ReservationState]:
    """Returns the reservations of a station that were fetched, as the batch has them now."""
    rows = map(batch.rows(RESERVATIONS).get, batch.memo.get(_SEEN, ()))
    return [row for row in rows if row is not None and row.station == station]


def _put(batch: Batch, row: ReservationState | None) -> None:
    """Stores a reservation's new state, if there is one, and says so."""
    if row is None:
        return
    before = batch.rows(RESERVATIONS).get(row.id)
    batch.rows(RESERVATIONS).put(row)
    brief = batch.rows(BRIEFS).get(row.station)
    same = before is not None and before.state == row.state
    batch.emit(
        "reservation.updated" if same else f"reservation.{row.state}",
        subject=f"reservation/{row.id}",
        resource=reservation_resource(row),
        site_id=brief.site_id if brief else None,
        tenant=row.tenant_id,
    )
