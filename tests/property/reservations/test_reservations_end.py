"""Whatever is said, lost and waited for: one EVSE has one reservation, and each one ends."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from csms.reservations.rules import (
    ReservationState,
    Settled,
    Start,
    cancelled,
    expired,
    in_the_way,
    out_of_service,
    reported,
    settled,
    used,
)
from models.states import RESERVATION, allowed
from simulators.notices import Answer, Ask, ReservationGone, Started, Status
from simulators.reservations import Reservation
from tests.builders.reservations import a_state
from tests.builders.stations import NOON, a_car, a_station

PARENTS = {"CARD": "FAMILY", "SISTER": "FAMILY", "OTHER": None}
EVSES = 2
Asked = Literal["reserve", "cancel"]
Fate = Literal["arrives", "answer-lost", "lost", "error"]


class Reservations(RuleBasedStateMachine):
    """One house with its rules, one simulated station, and a bad line between them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.rows: dict[int, ReservationState] = {}
        self.orders: deque[tuple[Asked, int]] = deque()
        self.asked: set[int] = set()
        self.statuses: dict[int, str] = {}
        self.box = a_station(subprotocol="ocpp2.1")

    # The house

    @property
    def open(self) -> list[ReservationState]:
        return [row for row in self.rows.values() if row.is_open and row.expires_at > self.now]

    def put(self, row: ReservationState | None) -> None:
        if row is None:
            return
        before = self.rows[row.reservation_id]
        assert allowed(RESERVATION, before.state, row.state), (before.state, row.state)
        assert row.version == before.version + 1
        self.rows[row.reservation_id] = row

    def expire(self) -> None:
        for row in tuple(self.rows.values()):
            self.put(expired(row, self.now))

    @rule(
        evse_id=st.sampled_from([1, 2, None]),
        token=st.sampled_from(["CARD", "OTHER"]),
        seconds=st.integers(1, 900),
    )
    def wish(self, evse_id: int | None, token: str, seconds: int) -> None:
        if in_the_way(self.open, evse_id, EVSES) is not None:
            return
        row = a_state(
            number=len(self.rows) + 1,
            evse_id=evse_id,
            id_token=token,
            group_token=PARENTS[token],
            state="requested",
            created_at=self.now,
            expires_at=self.now + timedelta(seconds=seconds),
        )
        self.rows[row.reservation_id] = row
        self.orders.append(("reserve", row.reservation_id))

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        row = self.rows[data.draw(st.sampled_from(sorted(self.rows)))]
        after = cancelled(row, self.now)
        if after is not None:
            self.put(after)
            self.orders.append(("cancel", row.reservation_id))

    @rule()
    def station_is_back(self) -> None:
        """As the keeper does it: what is over goes first, then all that is open."""
        for row in self.rows.values():
            if row.to_release:
                self.orders.append(("cancel", row.reservation_id))
        self.orders.extend(("reserve", row.reservation_id) for row in self.open)

    # The line

    @precondition(lambda self: self.orders)
    @rule(fate=st.sampled_from(["arrives", "arrives", "answer-lost", "lost", "error"]))
    def order_goes_out(self, fate: Fate) -> None:
        asked, number = self.orders.popleft()
        again, word = number in self.asked, None
        if asked == "reserve":
            self.asked.add(number)
        if fate in {"arrives", "answer-lost"}:
            word = self.do(asked, self.rows[number])
        if fate == "arrives":
            yes = word == "Accepted"
            told = Settled(asked=asked, state="answered", again=again, accepted=yes, word=word)
        elif fate == "error":
            told = Settled(asked=asked, state="failed", again=again, error_code="InternalError")
        else:
            told = Settled(asked=asked, state="unknown", again=again)
        self.put(settled(self.rows[number], told, self.now))

    def do(self, asked: Asked, row: ReservationState) -> str:
        kept = self.box.reservations
        if asked == "cancel":
            return "Accepted" if kept.cancel(row.reservation_id, self.now) else "Rejected"
        wish = Reservation(
            row.reservation_id, row.evse_id, row.id_token, row.group_token, row.expires_at
        )
        return kept.keep(wish, self.now)

    @precondition(lambda self: self.box.outbox)
    @rule(heard=st.booleans())
    def station_says(self, heard: bool) -> None:
        """Says the oldest thing that it has to say; a status may be lost, a transaction is not."""
        notice = self.box.outbox.popleft()
        match notice:
            case Started():
                self.began(notice)
            case ReservationGone() if heard:
                self.put(reported(self.rows[notice.number], notice.reason, self.now))
            case Status() if heard:
                self.statuses[notice.evse_id] = notice.status
                for row in tuple(self.rows.values()):
                    self.put(out_of_service(row, self.statuses.items(), self.now))
            case _:
                pass

    def began(self, notice: Started) -> None:
        token = notice.transaction.token
        start = Start(
            transaction_id=notice.transaction.local_id,
            evse_id=notice.transaction.evse_id,
            began_at=notice.transaction.started_at,
            token=token,
            parent=PARENTS[token],
            reservation_id=notice.transaction.reservation_id,
        )
        self.put(used(list(self.rows.values()), start, self.now))

    # The station

    @rule(evse_id=st.sampled_from([1, 2]), token=st.sampled_from(sorted(PARENTS)))
    def car_comes(self, evse_id: int, token: str) -> None:
        evse = self.box.evses[evse_id]
        if evse.car is not None or not evse.in_service:
            return
        self.box.plug(evse_id, a_car(id=f"{token}-{evse_id}", token=token), self.now)
        free_for = self.box.reservations.admits(evse, token, PARENTS[token])
        self.box.hear(Ask(evse_id, token), Answer(group=PARENTS[token]), self.now)
        assert evse.energised is free_for

    @rule(evse_id=st.sampled_from([1, 2]))
    def car_goes(self, evse_id: int) -> None:
        if self.box.evses[evse_id].car is not None:
            self.box.unplug(evse_id, self.now)

    @rule(evse_id=st.sampled_from([1, 2]), faulted=st.booleans())
    def evse_breaks_or_is_mended(self, evse_id: int, faulted: bool) -> None:
        if self.box.evses[evse_id].transaction is None:
            self.box.fault(evse_id, self.now, faulted=faulted)

    @rule()
    def station_forgets(self) -> None:
        self.box.reservations.forget()

    @rule(seconds=st.integers(1, 400), station_too=st.booleans())
    def time_goes_by(self, seconds: int, station_too: bool) -> None:
        self.now += timedelta(seconds=seconds)
        self.expire()
        if station_too:
            self.box.reservations.settle(self.now)

    # What holds

    @invariant()
    def an_evse_is_spoken_for_once(self) -> None:
        named = [row.evse_id for row in self.open if row.evse_id is not None]
        assert len(named) == len(set(named))
        assert len(self.open) <= EVSES

    @invariant()
    def what_is_over_says_when(self) -> None:
        for row in self.rows.values():
            assert (row.ended_at is None) is row.is_open
            assert (row.transaction_id is not None) is (row.state == "used")

    @invariant()
    def what_is_over_does_not_stay_in_the_box(self) -> None:
        """What it keeps is open, or it is to be told, or it will find out by its own clock."""
        under_way = {number for _, number in self.orders}
        for number in self.box.reservations.numbers:
            row = self.rows[number]
            passing = row.expires_at <= self.now or number in under_way
            assert row.is_open or row.to_release or passing, row

    def teardown(self) -> None:
        """Once the line is good again and time has passed, all has ended, on both sides."""
        latest = max((row.expires_at for row in self.rows.values()), default=self.now)
        self.now: datetime = max(self.now, latest)
        self.expire()
        assert self.open == []
        assert all(not row.is_open for row in self.rows.values())
        self.box.reservations.settle(self.now)
        assert self.box.reservations.numbers == ()
        self.station_is_back()
        while self.orders:
            self.order_goes_out(fate="arrives")
        assert not any(row.to_release for row in self.rows.values())


TestReservations = Reservations.TestCase
