"""Errands: what people do with the service, one at a time, each to its end.

They ask for a car and perhaps take an alternative, come for it and drive, bring it back and plug it
in. They use the car that the service names when they come, and plug in where it says. Who stays
without a car waits a while, and then is missed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from simulators.happenings import Asks, Booking, CallsOff, Departs, PlugsIn, Returns
from simulators.people import Wish
from simulators.scorecard import BookingTruth, Outcome
from simulators.service import BookingAnswer, Refusal, Service
from simulators.vehicle import Car
from simulators.world import World

COMES_BACK_EVERY = timedelta(minutes=5)
PATIENCE = timedelta(minutes=45)
ALTERNATIVES_TRIED = 2

Speak = Callable[[], Awaitable[None]]
"""Lets all stations say what they have to say, before the errand goes on."""


class Errands:
    """All errands of a world."""

    def __init__(self, world: World, service: Service, speak: Speak) -> None:
        self._world = world
        self._service = service
        self._speak = speak
        self._spare: dict[str, dict[str, None]] = {}
        """By booking, the cars that the oracle has found for who stood there without one."""

    async def ask(self, event: Asks) -> None:
        """Asks for a car; refused, takes an alternative or goes by bus."""
        wish = event.wish
        answer = await self._service.book(wish)
        alternative = False
        if isinstance(answer, Refusal):
            refusal = answer
            if wish.habits.takes_alternative:
                answer = await self._take_alternative(wish, refusal)
                alternative = True
            if isinstance(answer, Refusal):
                self._refused(wish, refusal)
                return
        booking = Booking(
            id=answer.id,
            wish=wish,
            start=answer.start,
            end=answer.end,
            pickup_site_id=answer.pickup_site_id,
            dropoff_site_id=answer.dropoff_site_id,
            distance_km=answer.distance_km,
            vehicle_class=answer.vehicle_class,
            alternative=alternative,
        )
        self._world.waiting[booking.id] = booking
        self._fate(booking, "open")
        habits = wish.habits
        leaves = booking.start + timedelta(minutes=habits.leaves_after_minutes)
        self._world.schedule(leaves, Departs(booking, 0))
        if habits.cancels_before_minutes is not None:
            calls_off = booking.start - timedelta(minutes=habits.cancels_before_minutes)
            if calls_off > self._world.now:
                self._world.schedule(calls_off, CallsOff(booking))

    async def call_off(self, event: CallsOff) -> None:
        """Cancels a booking."""
        if await self._service.act(event.booking.id, "cancel") is not None:
            del self._world.waiting[event.booking.id]
            self._fate(event.booking, "cancelled")

    async def depart(self, event: Departs) -> None:
        """Comes for the car that the service names now, and drives off with it if it can."""
        booking, world = event.booking, self._world
        if world.ledger.bookings[booking.wish.id].outcome == "cancelled":
            return
        answer = await self._service.booking(booking.id)
        named = None if answer is None else answer.vehicle_id
        car = world.cars.get(named) if named is not None else None
        reason = world.why_not(booking, car)
        if not reason and car is not None:
            place = car.plug
            world.unplug(car)
            await self._speak()
            started = await self._service.act(booking.id, "start", car)
            if started is not None:
                world.depart(booking, car)
                self._fate(booking, "open", vehicle_id=car.id)
                return
            reason = "start-refused"
            if place is not None:
                world.plug(car, place)
        spare = world.spare_car(booking)
        if spare is not None:
            self._spare.setdefault(booking.id, {})[spare] = None
        waited = COMES_BACK_EVERY * (event.attempt + 1)
        if waited <= PATIENCE:
            world.schedule(world.now + COMES_BACK_EVERY, Departs(booking, event.attempt + 1))
            return
        await self._service.act(booking.id, "cancel")
        del world.waiting[booking.id]
        self._fate(booking, "missed", vehicle_id=named, reason=reason)

    async def come_back(self, event: Returns) -> None:
        """Brings the car back and plugs it in, where the service says if that is free."""
        booking, car, world = event.booking, event.car, self._world
        world.arrive(event)
        answer = await self._service.act(booking.id, "return", car)
        self._fate(booking, "served", vehicle_id=car.id)
        forgets_minutes = booking.wish.habits.plugs_in_after_minutes
        if forgets_minutes:
            noticed = world.now + timedelta(minutes=forgets_minutes)
            world.schedule(noticed, PlugsIn(car, world.now))
        else:
            await self._plug(car, None if answer is None else answer.assigned_evse)

    async def plug_in(self, event: PlugsIn) -> None:
        """Plugs in a car that was forgotten, if it still stands there."""
        trips = self._world.ledger.cars[event.car.id].trips
        gone_since = bool(trips) and trips[-1].start > event.returned_at
        if event.car.site_id is not None and event.car.plug is None and not gone_since:
            await self._plug(event.car, None)

    async def _plug(self, car: Car, preferred: str | None) -> None:
        assert car.site_id is not None
        where = self._world.free_evse(car.site_id, preferred)
        if where is not None:
            self._world.plug(car, where)
            await self._speak()
        await self._service.seen(car, self._world.now)

    async def _take_alternative(self, wish: Wish, refusal: Refusal) -> BookingAnswer | Refusal:
        answer: BookingAnswer | Refusal = refusal
        for alternative in refusal.alternatives[:ALTERNATIVES_TRIED]:
            answer = await self._service.book_alternative(wish, alternative)
            if isinstance(answer, BookingAnswer):
                break
        return answer

    def _refused(self, wish: Wish, refusal: Refusal) -> None:
        self._world.ledger.fate(
            BookingTruth(
                booking_id=None,
                wish_id=wish.id,
                driver_id=wish.driver_id,
                asked_at=self._world.now,
                start=wish.start,
                end=wish.end,
                pickup_site_id=wish.pickup_site_id,
                dropoff_site_id=wish.dropoff_site_id,
                distance_km=wish.distance_km,
                alternative=False,
                outcome="refused",
                vehicle_id=None,
                reason=refusal.code,
            )
        )

    def _fate(
        self,
        booking: Booking,
        outcome: Outcome,
        *,
        vehicle_id: str | None = None,
        reason: str = "",
    ) -> None:
        self._world.ledger.fate(
            BookingTruth(
                booking_id=booking.id,
                wish_id=booking.wish.id,
                driver_id=booking.wish.driver_id,
                asked_at=booking.wish.asked_at,
                start=booking.start,
                end=booking.end,
                pickup_site_id=booking.pickup_site_id,
                dropoff_site_id=booking.dropoff_site_id,
                distance_km=booking.distance_km,
                alternative=booking.alternative,
                outcome=outcome,
                vehicle_id=vehicle_id,
                reason=reason,
                could_have=tuple(self._spare.get(booking.id, ())),
            )
        )
