"""Transactions: how each report changes what is known of one. Pure.

Nothing that a station says is thrown away because it looks wrong: it is kept, marked `suspect`, and
answered. What counts as a replay is decided by natural keys, never by a message id alone, since
stations send again with a new one, and use old ones after a reboot. Energy never runs backwards
here, whatever a meter says.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from models.facts import DOUBTFUL_TIME, Reading, TransactionReported
from models.timeline import EARLIEST_PLAUSIBLE, LATEST_PLAUSIBLE, format_rfc3339

AHEAD = timedelta(minutes=10)
"""A station's clock may run ahead of ours by so much before its times are doubted."""
FRESH = timedelta(minutes=15)
"""A transaction that was heard of within this time holds its token."""
LATE_START = "start-missing"
LATE_STOP = "stop-missing"
CORRECTED = "corrected"
"""By a person: what the station tells of it changes nothing more."""
BACKWARDS = "meter-backwards"
GUESSED = "transaction-guessed"
END_GUESSED = "stop-guessed"
"""It was ended by an end that named another transaction, or none."""
START_GUESSED = "meter-start-guessed"
METERED_AT = "Outlet"


class TransactionState(msgspec.Struct, frozen=True):
    """What is known of a transaction; see `models.tables.charging.Transaction`."""

    id: str
    tenant_id: str
    station: str
    evse_id: int
    connector_id: int | None
    ocpp_transaction_id: str
    start_key: str | None
    start_digest: str | None
    started_at: datetime
    stopped_at: datetime | None
    received_at: datetime
    updated_at: datetime
    meter_start_wh: float | None
    meter_last_wh: float | None
    energy_wh: float
    solar_wh: float
    power_w: float | None
    soc_pct: float | None
    last_reading_at: datetime | None
    charging_state: str | None
    stop_reason: str | None
    id_token: str | None
    token_status: str | None
    vehicle_id: str | None
    driver_id: str | None
    command_id: str | None
    seq_no: int | None
    suspect: list[Any]
    tariff_id: str | None = None
    currency: str | None = None
    cost: Decimal | None = None
    priority_charging: bool = False
    stopped_by: str | None = None

    @property
    def evse(self) -> str:
        """Where it is, as vehicles name it."""
        return f"{self.station}/{self.evse_id}"


class ReadingState(msgspec.Struct, frozen=True):
    """One reading for keeping; see `models.tables.charging.Reading`."""

    station: str
    evse_id: int
    ocpp_transaction_id: str
    measured_at: datetime
    context: str
    location: str
    received_at: datetime
    energy_wh: float | None
    power_w: float | None
    current_a: tuple[float | None, ...] | None
    voltage_v: tuple[float | None, ...] | None
    soc_pct: float | None
    other: dict[str, Any] | None
    suspect: list[str] | None


ReadingKey = tuple[str, int, str, datetime, str, str]


class Metered(msgspec.Struct, frozen=True):
    """What readings make of a transaction."""

    transaction: TransactionState
    readings: list[ReadingState]


def judge_time(measured_at: datetime, received_at: datetime) -> tuple[datetime, str | None]:
    """Returns the instant to order by, and why the station's own is doubted, if it is."""
    if not EARLIEST_PLAUSIBLE <= measured_at < LATEST_PLAUSIBLE:
        return received_at, "time-implausible"
    if measured_at > received_at + AHEAD:
        return received_at, "time-ahead"
    return measured_at, None


def may_be_known(known: TransactionState, measured_at: datetime, received_at: datetime) -> bool:
    """Returns whether a reading is no later than what was known, so that it may be a replay."""
    last_at = known.last_reading_at
    if last_at is None or last_at < measured_at <= received_at:
        return False
    return judge_time(measured_at, received_at)[0] <= last_at


def start_key(fact: TransactionReported) -> str:
    """Returns what makes a 1.6 StartTransaction itself, as one text."""
    return f"{fact.evse_id}|{format_rfc3339(fact.measured_at)}|{fact.meter_wh}|{fact.id_token}"


def match_start(
    candidates: Sequence[TransactionState], fact: TransactionReported, digest: str
) -> TransactionState | None:
    """Returns the transaction that a 1.6 Start has opened before, if it is a replay.

    Args:
        candidates: transactions of the station with the same `start_key`.
        fact: the Start.
        digest: of its message id and payload.
    """
    for known in candidates:
        if known.start_digest == digest:
            return known
    _, doubt = judge_time(fact.measured_at, fact.received_at)
    if doubt is not None or not DOUBTFUL_TIME.isdisjoint(fact.suspect):
        # A box without a clock starts twice in 1970: same key, two transactions.
        return None
    return next((known for known in candidates if known.stopped_at is None), None)


def opened(
    fact: TransactionReported,
    *,
    id: str,  # noqa: A002 - the column's name
    tenant_id: str,
    ocpp_transaction_id: str,
    digest: str | None,
    now: datetime,
) -> TransactionState:
    """Returns a new transaction, before its readings.

    Args:
        fact: the first that was heard of it; not always its start.
        id: ours.
        tenant_id: the station's.
        ocpp_transaction_id: the number we gave (1.6), or the text the station chose (2.x).
        digest: 1.6: of the message id and payload of the Start.
        now: by our clock.
    """
    started_at, doubt = judge_time(fact.measured_at, fact.received_at)
    suspect = [*fact.suspect]
    _mark(suspect, doubt, LATE_START if fact.kind != "started" else None)
    is_start_16 = fact.scheme == "1.6" and fact.kind == "started"
    return TransactionState(
        id=id,
        tenant_id=tenant_id,
        station=fact.station,
        evse_id=fact.evse_id or 0,
        connector_id=fact.connector_id,
        ocpp_transaction_id=ocpp_transaction_id,
        start_key=start_key(fact) if is_start_16 else None,
        start_digest=digest if is_start_16 else None,
        started_at=started_at,
        stopped_at=None,
        received_at=fact.received_at,
        updated_at=now,
        meter_start_wh=fact.meter_wh if is_start_16 else None,
        meter_last_wh=fact.meter_wh if is_start_16 else None,
        energy_wh=0.0,
        solar_wh=0.0,
        power_w=None,
        soc_pct=None,
        last_reading_at=None,
        charging_state=fact.charging_state,
        stop_reason=None,
        id_token=fact.id_token,
        token_status=None,
        vehicle_id=None,
        driver_id=None,
        command_id=None,
        seq_no=fact.seq_no,
        suspect=suspect,
    )


def token_after(known: TransactionState, fact: TransactionReported) -> str | None:
    """Returns whose transaction it is after a 2.x event: a refused token gives way to the next."""
    if known.token_status == "Accepted":  # noqa: S105 - a status, no secret
        return known.id_token
    return fact.id_token or known.id_token


def continued(
    known: TransactionState, fact: TransactionReported, now: datetime
) -> TransactionState:
    """Returns a transaction after a 2.x event about it, before its readings and its end."""
    seq_no = known.seq_no
    if fact.seq_no is not None:
        seq_no = fact.seq_no if seq_no is None else max(seq_no, fact.seq_no)
    suspect = _marked(known.suspect, *fact.suspect)
    changes: dict[str, Any] = {}
    if fact.kind == "started" and LATE_START in suspect:
        # Its start comes after all: nothing is missing any more.
        started_at, _ = judge_time(fact.measured_at, fact.received_at)
        changes["started_at"] = min(started_at, known.started_at)
        suspect = [each for each in suspect if each != LATE_START]
    return msgspec.structs.replace(
        known,
        evse_id=known.evse_id or fact.evse_id or 0,
        connector_id=known.connector_id or fact.connector_id,
        charging_state=fact.charging_state or known.charging_state,
        id_token=token_after(known, fact),
        seq_no=seq_no,
        suspect=suspect,
        updated_at=now,
        **changes,
    )


def closed(known: TransactionState, fact: TransactionReported, now: datetime) -> TransactionState:
    """Returns a transaction after its end, before the readings that came with it."""
    stopped_at, doubt = judge_time(fact.measured_at, fact.received_at)
    suspect = _marked(known.suspect, *fact.suspect, doubt)
    if stopped_at < known.started_at:
        suspect = _marked(suspect, "time-backwards")
        stopped_at = max(known.started_at, fact.received_at)
    gone = {LATE_STOP, END_GUESSED} - set(fact.suspect)
    return msgspec.structs.replace(
        known,
        stopped_at=stopped_at,
        priority_charging=False,
        stop_reason=fact.stop_reason or "Local",
        power_w=0.0,
        charging_state=None,
        updated_at=now,
        suspect=[each for each in suspect if each not in gone],
    )


def superseded(
    known: TransactionState, by: TransactionState, now: datetime
) -> TransactionState | None:
    """Returns a transaction whose stop never came, ended by the next one on its EVSE.

    None where the other one began earlier: that one's report has only come late.
    """
    if by.started_at < known.started_at:
        return None
    return msgspec.structs.replace(
        known,
        stopped_at=max(known.last_reading_at or known.started_at, known.started_at),
        stop_reason="Lost",
        power_w=0.0,
        charging_state=None,
        updated_at=now,
        suspect=_marked(known.suspect, LATE_STOP),
    )


def is_reused(known: TransactionState, fact: TransactionReported) -> bool:
    """Returns whether a 2.x station gives the id of an ended transaction to a new one."""
    return (
        fact.scheme == "2.x"
        and fact.kind == "started"
        and known.stopped_at is not None
        and LATE_START not in known.suspect
        and judge_time(fact.measured_at, fact.received_at)[0] >= known.stopped_at
    )


def may_find_car(known: TransactionState | None, fact: TransactionReported) -> bool:
    """Returns whether a 2.x event opens a transaction, or may tell more of whose car it is."""
    if known is None or is_reused(known, fact):
        return True
    settled = known.vehicle_id is not None and known.token_status == "Accepted"  # noqa: S105
    return fact.id_token is not None and not settled


def set_aside(known: TransactionState, now: datetime) -> TransactionState:
    """Returns an ended transaction under a name that no station uses, so that its own is free."""
    return msgspec.structs.replace(
        known,
        ocpp_transaction_id=f"{known.ocpp_transaction_id}~{known.id}",
        suspect=_marked(known.suspect, "id-reused"),
        updated_at=now,
    )


def is_repaired(known: TransactionState) -> bool:
    """Returns whether its end was made up: then a real one, coming late, is welcome."""
    return not {LATE_STOP, END_GUESSED}.isdisjoint(known.suspect)


def reading_state(
    reading: Reading,
    *,
    station: str,
    evse_id: int,
    ocpp_transaction_id: str,
    received_at: datetime,
    suspect: Sequence[str] = (),
) -> ReadingState:
    """Returns a reading for keeping."""
    _, doubt = judge_time(reading.measured_at, received_at)
    doubts = [*suspect, *([doubt] if doubt else [])]
    return _kept(reading, (station, evse_id, ocpp_transaction_id), received_at, doubts)


def reading_key(known: TransactionState, reading: Reading) -> ReadingKey:
    """Returns the natural key of a reading of a transaction."""
    return (
        known.station,
        known.evse_id,
        known.ocpp_transaction_id,
        reading.measured_at,
        reading.context,
        reading.location,
    )


def metered(
    known: TransactionState,
    readings: Sequence[Reading],
    *,
    received_at: datetime,
    now: datetime,
    suspect: Sequence[str] = (),
    stored: Collection[ReadingKey] = (),
    history: bool = False,
) -> Metered:
    """Returns a transaction after readings of it, with the readings for keeping.

    Args:
        known: where it has ended, what belongs before its end counts; nothing, once corrected.
        readings: in the order in which they came.
        received_at: by our clock.
        now: by our clock.
        suspect: why the whole message is doubted.
        stored: keys of readings that were kept before: they are replays and change nothing.
        history: older readings are no surprise (what a stop brings along).
    """
    state = known
    kept: list[ReadingState] = []
    counts = CORRECTED not in known.suspect
    place = (known.station, known.evse_id, known.ocpp_transaction_id)
    for reading in readings:
        at, doubt = judge_time(reading.measured_at, received_at)
        doubts = list(suspect)
        if doubt is not None:
            doubts.append(doubt)
        is_new = not stored or reading_key(known, reading) not in stored
        if is_new or (at == state.last_reading_at and _adds(state, reading)):
            late = state.last_reading_at is not None and at < state.last_reading_at
            if late and not history and not doubt:
                _mark(doubts, "time-backwards")
            if known.stopped_at is not None and at > known.stopped_at and not history:
                _mark(doubts, "after-stop")
            elif not late and counts:
                state = _advance(state, reading, at, now, doubts)
            elif counts and (reading.energy_wh or 0.0) > (state.meter_last_wh or 0.0):
                state = _caught_up(state, reading, now)
        kept.append(_kept(reading, place, received_at, doubts))
        if doubts:
            marked = _marked(state.suspect, *doubts)
            state = msgspec.structs.replace(state, suspect=marked, updated_at=now)
    return Metered(state, kept)


def counted(
    known: TransactionState, meter_wh: float | None, at: datetime, now: datetime
) -> TransactionState:
    """Returns a transaction after the register value of its Stop (1.6 meterStop)."""
    if meter_wh is None:
        return known
    doubts: list[str] = []
    state = _advance(known, Reading(at, energy_wh=meter_wh), at, now, doubts)
    return msgspec.structs.replace(state, suspect=_marked(state.suspect, *doubts))


def doubted(known: TransactionState, why: str, now: datetime) -> TransactionState:
    """Returns a transaction that is marked suspect."""
    if why in known.suspect:
        return known
    return msgspec.structs.replace(known, suspect=_marked(known.suspect, why), updated_at=now)


def holds_token(known: TransactionState, *, evse: str, now: datetime) -> bool:
    """Returns whether another, living transaction than one at this EVSE has the token."""
    return known.stopped_at is None and known.evse != evse and now - known.updated_at <= FRESH


def _kept(
    reading: Reading, place: tuple[str, int, str], received_at: datetime, doubts: list[str]
) -> ReadingState:
    return ReadingState(
        *place,
        reading.measured_at,
        reading.context,
        reading.location,
        received_at,
        reading.energy_wh,
        reading.power_w,
        reading.current_a,
        reading.voltage_v,
        reading.soc_pct,
        reading.other,
        doubts or None,
    )


def _adds(state: TransactionState, reading: Reading) -> bool:
    """Returns whether a reading of the newest instant says more than what came before it.

    A station may spread the measurands of one instant over several messages.
    """
    return (
        reading.soc_pct not in (None, state.soc_pct)
        or (state.stopped_at is None and reading.power_w not in (None, state.power_w))
        or (
            reading.location == METERED_AT and (reading.energy_wh or 0) > (state.meter_last_wh or 0)
        )
    )


def _advance(
    state: TransactionState, reading: Reading, at: datetime, now: datetime, doubts: list[str]
) -> TransactionState:
    """Moves a transaction on to what a reading says; a register that falls is only noted."""
    start_wh, last_wh = state.meter_start_wh, state.meter_last_wh
    energy_wh = state.energy_wh
    register_wh = reading.energy_wh if reading.location == METERED_AT else None
    if register_wh is not None:
        if start_wh is None:
            start_wh = register_wh
        if last_wh is not None and register_wh < last_wh:
            _mark(doubts, BACKWARDS)
        else:
            last_wh = register_wh
            energy_wh = max(energy_wh, register_wh - start_wh)
    running = state.stopped_at is None
    return msgspec.structs.replace(
        state,
        meter_start_wh=start_wh,
        meter_last_wh=last_wh,
        energy_wh=energy_wh,
        power_w=state.power_w if reading.power_w is None or not running else reading.power_w,
        soc_pct=state.soc_pct if reading.soc_pct is None else reading.soc_pct,
        last_reading_at=at,
        updated_at=now,
    )


def _caught_up(state: TransactionState, reading: Reading, now: datetime) -> TransactionState:
    """Counts a register that is higher than the last, though its time is older: clocks go wrong."""
    if reading.location != METERED_AT or reading.energy_wh is None:
        return state
    start_wh = reading.energy_wh if state.meter_start_wh is None else state.meter_start_wh
    return msgspec.structs.replace(
        state,
        meter_last_wh=reading.energy_wh,
        energy_wh=max(state.energy_wh, reading.energy_wh - start_wh),
        updated_at=now,
    )


def _mark(suspect: list[Any], *whys: str | None) -> None:
    for why in whys:
        if why is not None and why not in suspect:
            suspect.append(why)


def _marked(suspect: Sequence[Any], *whys: str | None) -> list[Any]:
    marks = [*suspect]
    _mark(marks, *whys)
    return marks
