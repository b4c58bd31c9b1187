"""A charging station, whatever version it speaks: cables, meters, stored limits, an outbox.

The station does what is asked of it and notes what it wants to tell as `notices`; a voice says
them. It obeys charging profiles after its reaction time, keeps its default limits over a reboot
and forgets those of a transaction with it. Disobedience comes by `simulators.quirks`. It knows
no socket and no version; time is handed in with every call.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Literal

from simulators.box import LimitBox
from simulators.credentials import Credentials
from simulators.evse import DrawHook, Evse
from simulators.firmware import Firmware
from simulators.notices import (
    KEPT_OFFLINE,
    Answer,
    Ask,
    Boot,
    BootReason,
    Ended,
    EndReason,
    Metered,
    Notice,
    Started,
    Status,
    Transaction,
    Updated,
    UpdateTrigger,
)
from simulators.outfit import Outfit
from simulators.profiles import Period, Profile
from simulators.reservations import Reservations
from simulators.scenario import StationKind
from simulators.variables import Variables
from simulators.vehicle import Car
from simulators.whitelist import Whitelist

STRIDE = timedelta(seconds=60)
"""The longest time for which power is taken as constant."""
RESTLESS = timedelta(seconds=180)
"""How long after a change of power a meter goes on at its fast pace."""
CABLE_WAIT = timedelta(minutes=2)


class Station:
    """One station; its world calls `advance`, its voice the commands, its session the outbox."""

    def __init__(
        self,
        identity: str,
        kind: StationKind,
        *,
        now: datetime,
        quirks: frozenset[str] = frozenset(),
        meter_every_s: int = 60,
        idle_meter_every_s: int = 900,
        on_draw: DrawHook | None = None,
    ) -> None:
        self.identity, self.kind, self.quirks = identity, kind, quirks
        self.evses = {n: self._new_evse(n) for n in range(1, kind.evses + 1)}
        self.limits = LimitBox(identity, kind, quirks)
        self.credentials = Credentials(identity)
        self.variables = Variables(kind, meter_every_s, self.credentials)
        self.whitelist = Whitelist(self.variables)
        self.outfit = Outfit(identity, kind, now=now)
        self.outbox: deque[Notice] = deque()
        say = self.outbox.append
        self.reservations = Reservations(self.evses, say=say, tell_status=self._tell_status)
        self.firmware = Firmware(is_16=kind.subprotocol == "ocpp1.6", quirks=quirks)
        self.online, self.powered = False, True
        self.wants_reset: str | None = None
        self._idle_meter_every_s = idle_meter_every_s
        self._on_draw = on_draw
        self._time = self._epoch = now
        self._transactions = 0

    # Cables and cards

    def plug(self, evse_id: int, car: Car, at: datetime) -> None:
        """Puts the cable of an EVSE into a car."""
        evse = self.evses[evse_id]
        assert evse.car is None, f"{self.identity}/{evse_id} holds {evse.car and evse.car.id}"
        evse.car = car
        evse.finished = False
        car.plug = (self.identity, evse_id)
        if not self.powered:
            return
        self._tell_status(evse, at)
        awaited, evse.awaited = evse.awaited, None
        if awaited is not None and awaited[2] >= at:
            token, remote_start_id, _ = awaited
            self._begin(evse, token, at, trigger="RemoteStart", remote_start_id=remote_start_id)
        elif self._starts_with_cable:
            self._begin(evse, "", at, trigger="CablePluggedIn")

    def present(self, evse_id: int, token: str, at: datetime) -> None:
        """Holds a card to the reader; offline the station judges by its list."""
        evse = self.evses[evse_id]
        if not self.powered or evse.car is None or not evse.operative or evse.energised:
            return
        if self.online:
            self.outbox.append(Ask(evse_id, token))
        elif self.whitelist.lets(token, at):
            self._authorised(evse, token, at)

    def unplug(self, evse_id: int, at: datetime) -> None:
        """Takes the cable out; an open transaction ends with it."""
        evse = self.evses[evse_id]
        if evse.transaction is not None:
            self._end(evse, at, "EVDisconnected")
        if evse.car is not None:
            evse.car.plug = None
        evse.car = None
        evse.finished = False
        if self.powered:
            self._tell_status(evse, at)

    # What a central system may ask

    def remote_start(
        self, evse_id: int | None, token: str, remote_start_id: int | None, at: datetime
    ) -> bool:
        """Starts a transaction by remote; without a cable it waits two minutes for one."""
        evse = self._evse_for_start(evse_id, token)
        if evse is None or not evse.in_service or evse.energised or not self._admits(evse, token):
            return False
        if evse.car is None:
            evse.awaited = (token, remote_start_id, at + CABLE_WAIT)
        elif evse.transaction is not None:
            evse.transaction.remote_start_id = remote_start_id
            self._authorised(evse, token, at)
        else:
            self._begin(evse, token, at, trigger="RemoteStart", remote_start_id=remote_start_id)
        return True

    def remote_stop(self, transaction_id: str | int, at: datetime) -> bool:
        """Ends the transaction of that id; the cable stays in."""
        evse = self._evse_of(transaction_id)
        if evse is None:
            return False
        self._end(evse, at, "Remote")
        self._tell_status(evse, at)
        return True

    def change_availability(
        self, evse_id: int, *, operative: bool, at: datetime
    ) -> Literal["Accepted", "Scheduled", "Rejected"]:
        """Takes an EVSE (0: all) in or out of service; a running transaction is not cut."""
        chosen = self.chosen(evse_id)
        if not chosen:
            return "Rejected"
        for evse in chosen:
            evse.operative = operative
            if evse.transaction is None:
                self._tell_status(evse, at)
        self.reservations.settle(at)
        busy = not operative and any(evse.transaction is not None for evse in chosen)
        return "Scheduled" if busy else "Accepted"

    def fault(self, evse_id: int, at: datetime, *, faulted: bool = True) -> None:
        """Breaks an EVSE that nobody charges at, or mends it."""
        evse = self.evses[evse_id]
        evse.faulted = faulted
        self._tell_status(evse, at)
        self.reservations.settle(at)

    def unlock(self, evse_id: int, at: datetime) -> bool:
        """Unlocks a connector: its transaction ends, the cable can be taken."""
        evse = self.evses.get(evse_id)
        if evse is None:
            return False
        if evse.transaction is not None:
            self._end(evse, at, "UnlockCommand")
        self._tell_status(evse, at)
        return True

    def set_profile(self, profile: Profile, at: datetime) -> bool:
        """Stores a charging profile, if the station can and will; True if it says it has."""
        evse = self.evses.get(profile.evse_id)
        return self.limits.store(profile, None if evse is None else evse.transaction, at)

    def composite(self, evse_id: int, at: datetime, duration_s: float) -> tuple[Period, ...] | None:
        """Returns what is allowed from `at` on, in watts; None if there is no such EVSE."""
        if evse_id != 0 and evse_id not in self.evses:
            return None
        transaction = None if evse_id == 0 else self.evses[evse_id].transaction
        return self.limits.composite(evse_id, transaction, at, duration_s)

    # Time

    def advance(self, to: datetime) -> None:
        """Lets time and energy flow up to `to`."""
        while self._time < to:
            if not self.powered or not any(evse.energised for evse in self.evses.values()):
                self._time = to
                break
            self.limits.tick(self._time)
            changes = (self._settle_powers(self._time), self.limits.next_effect)
            ahead = [when for when in changes if when is not None and when > self._time]
            stop = min(to, self._time + STRIDE, *ahead)
            seconds = (stop - self._time).total_seconds()
            for evse in self.evses.values():
                drawn_wh = evse.flow(seconds)
                if drawn_wh > 0 and self._on_draw is not None and evse.car is not None:
                    self._on_draw(evse.car, self._time, seconds, drawn_wh)
            self._time = stop
        self.limits.tick(self._time)
        if self.powered:
            self._settle_powers(self._time)

    def speak_up(self, at: datetime) -> None:
        """Notes changes of state, meter samples that are due, and how far an update is."""
        if not self.powered:
            return
        self.reservations.settle(at)
        self.outbox.extend(self.firmware.play(at, self.evses.values()))
        self.outbox.extend(self.outfit.play(at, list(self.evses.values())))
        if self.firmware.restarts:
            self.wants_reset = "FirmwareUpdate"
        for evse in self.evses.values():
            transaction = evse.transaction
            if transaction is None:
                continue
            if evse.told != (evse.status, evse.charging_state):
                self._tell_change(evse, transaction, at)
                self._plan_sample(evse, transaction, at)
                continue
            due = transaction.next_meter_at
            restless = (evse.changed_at or self._epoch) >= at - RESTLESS
            if due is None or due <= at or (restless and due - at > STRIDE):
                self.sample_now(evse, at, asked=False)

    def boot(self, reason: BootReason, at: datetime) -> None:
        """Starts the software: what is to be said first is said first."""
        notices: list[Notice] = [Boot(reason)]
        if "forgets-reservations" in self.quirks:
            self.reservations.forget()
        if self.kind.subprotocol == "ocpp1.6":
            notices.append(Status(0, "Available", "Idle", at))
        for evse in self.evses.values():
            evse.told = (evse.status, evse.charging_state)
            notices.append(Status(evse.evse_id, evse.status, evse.charging_state, at))
        self.outbox.extendleft(reversed(notices))

    def lose_power(self, at: datetime) -> None:
        """The station goes dark: transactions end, their limits are forgotten, defaults stay."""
        for evse in self.evses.values():
            if evse.transaction is not None:
                self._end(evse, at, "PowerLoss")
            evse.finished = False
        self.powered = False
        self.went_offline()

    def regain_power(self, at: datetime) -> None:
        """The station is back; cars that hang on it present their cards again."""
        self.powered = True
        self._time = at
        self.boot("PowerUp", at)
        self._present_again(at)

    def reboot(self, at: datetime) -> None:
        """The software starts again, as it was told to: transactions end, defaults stay."""
        for evse in self.evses.values():
            if evse.transaction is not None:
                self._end(evse, at, "Reset")
            evse.finished = False
        self.wants_reset = None
        self.boot(self.firmware.restarted(at), at)
        self._present_again(at)

    def went_offline(self) -> None:
        """The connection is gone: only what transactions are billed by is kept for later."""
        self.online = False
        self._keep_what_lasts()

    def came_online(self, at: datetime) -> None:
        """The connection is back without a reboot: status first, then what has been kept."""
        self.online = True
        self._keep_what_lasts()
        for evse in reversed(self.evses.values()):
            self.outbox.appendleft(Status(evse.evse_id, evse.status, evse.charging_state, at))

    def hear(self, notice: Notice, answer: Answer, at: datetime) -> None:
        """Acts on what was answered to a notice."""
        if isinstance(notice, Ask):
            evse = self.evses[notice.evse_id]
            if answer.status != "CallError":
                self.whitelist.remember(notice.token, answer.group, accepted=answer.accepted)
            if answer.accepted and evse.car is not None and not evse.energised:
                self._authorised(evse, notice.token, at)
        elif isinstance(notice, Started | Updated):
            transaction = notice.transaction
            if answer.transaction_id is not None:
                transaction.ocpp_id = answer.transaction_id
            evse = self.evses[transaction.evse_id]
            if not answer.accepted and evse.transaction is transaction:
                self._end(evse, at, "DeAuthorized")
                self._tell_status(evse, at)

    def chosen(self, evse_id: int) -> list[Evse]:
        """Returns the EVSE of that number, or all for 0."""
        return [evse for number, evse in self.evses.items() if evse_id in (0, number)]

    def sample_now(self, evse: Evse, at: datetime, *, asked: bool) -> None:
        """Notes what a meter shows; `asked`: because somebody wants to know."""
        transaction = evse.transaction
        if transaction is None:
            self.outbox.append(Metered(evse.evse_id, evse.sample(at)))
            return
        self._update(evse, transaction, "Trigger" if asked else "MeterValuePeriodic", at)
        if not asked:
            self._judge(evse, transaction, at)
            self._plan_sample(evse, transaction, at)

    # Inside

    def _new_evse(self, number: int) -> Evse:
        return Evse.of(number, self.kind)

    def _keep_what_lasts(self) -> None:
        kept = [notice for notice in self.outbox if isinstance(notice, KEPT_OFFLINE)]
        self.outbox.clear()
        self.outbox.extend(kept)

    def _present_again(self, at: datetime) -> None:
        for evse in self.evses.values():
            if evse.car is None or not evse.operative:
                continue
            if self._starts_with_cable:
                self._begin(evse, "", at, trigger="CablePluggedIn")
            if evse.car.token:
                self.outbox.append(Ask(evse.evse_id, evse.car.token))

    @property
    def _starts_with_cable(self) -> bool:
        """2.0.1 boxes here have TxStartPoint EVConnected, the others begin when authorised."""
        return self.kind.subprotocol == "ocpp2.0.1"

    def _admits(self, evse: Evse, token: str) -> bool:
        return self.reservations.admits(evse, token, self.whitelist.group_of(token))

    def _evse_for_start(self, evse_id: int | None, token: str) -> Evse | None:
        if evse_id is not None:
            return self.evses.get(evse_id)
        evses = self.evses.values()
        idle = [evse for evse in evses if not evse.energised and self._admits(evse, token)]
        return next(iter(sorted(idle, key=lambda evse: evse.car is None)), None)

    def _evse_of(self, transaction_id: str | int) -> Evse | None:
        for evse in self.evses.values():
            if evse.transaction is not None and str(transaction_id) in evse.transaction.names:
                return evse
        return None

    def _authorised(self, evse: Evse, token: str, at: datetime) -> None:
        transaction = evse.transaction
        if not self._admits(evse, token):
            return
        if transaction is None:
            self._begin(evse, token, at, trigger="Authorized")
            return
        transaction.token = token
        transaction.authorised = True
        self._claim(evse, transaction, at)
        self._settle_powers(at)
        evse.told = (evse.status, evse.charging_state)
        self._update(evse, transaction, "Authorized", at)
        self._plan_sample(evse, transaction, at)

    def _claim(self, evse: Evse, transaction: Transaction, at: datetime) -> None:
        """Uses up the reservation of a transaction's token, if it has one."""
        token = transaction.token
        number = self.reservations.claim(evse, token, self.whitelist.group_of(token))
        transaction.reservation_id = number
        self.reservations.settle(at)

    def _begin(
        self,
        evse: Evse,
        token: str,
        at: datetime,
        *,
        trigger: Literal["CablePluggedIn", "Authorized", "RemoteStart"],
        remote_start_id: int | None = None,
    ) -> None:
        self._transactions += 1
        transaction = Transaction(
            local_id=f"{self.identity}-{at:%Y%m%d}-{self._transactions}"[-36:],
            evse_id=evse.evse_id,
            token=token,
            started_at=at,
            meter_start_wh=int(evse.register_wh),
            remote_start_id=remote_start_id,
            authorised=trigger != "CablePluggedIn",
        )
        evse.transaction = transaction
        evse.finished = False
        if transaction.authorised:
            self._claim(evse, transaction, at)
        self._settle_powers(at)
        evse.told = (evse.status, evse.charging_state)
        self.outbox.append(
            Started(
                transaction,
                evse.sample(at),
                transaction.take_seq_no(),
                evse.charging_state,
                trigger,
                with_token=bool(token),
                offline=not self.online,
            )
        )
        if self.kind.subprotocol == "ocpp1.6":
            self._tell_status(evse, at)
        self._plan_sample(evse, transaction, at)

    def _end(self, evse: Evse, at: datetime, reason: EndReason) -> None:
        transaction = evse.transaction
        assert transaction is not None
        evse.set_power(0.0, 0.0, at)
        self.outbox.append(
            Ended(
                transaction,
                evse.sample(at),
                transaction.take_seq_no(),
                reason,
                offline=not self.online or reason == "PowerLoss",
            )
        )
        evse.transaction = None
        evse.finished = evse.car is not None
        self.limits.forget_transaction(evse.evse_id)

    def _tell_status(self, evse: Evse, at: datetime) -> None:
        evse.told = (evse.status, evse.charging_state)
        self.outbox.append(Status(evse.evse_id, evse.status, evse.charging_state, at))

    def _tell_change(self, evse: Evse, transaction: Transaction, at: datetime) -> None:
        if self.kind.subprotocol == "ocpp1.6":
            self._tell_status(evse, at)
        evse.told = (evse.status, evse.charging_state)
        self._update(evse, transaction, "ChargingStateChanged", at)
        self._judge(evse, transaction, at)

    def _update(
        self, evse: Evse, transaction: Transaction, trigger: UpdateTrigger, at: datetime
    ) -> None:
        self.outbox.append(
            Updated(
                transaction,
                evse.sample(at),
                transaction.take_seq_no(),
                evse.charging_state,
                trigger,
                with_token=trigger == "Authorized",
                offline=not self.online,
            )
        )

    def _plan_sample(self, evse: Evse, transaction: Transaction, at: datetime) -> None:
        lively = evse.power_w > 0 or (evse.changed_at or self._epoch) > at - RESTLESS
        pace_s = self.variables.meter_every_s if lively else self._idle_meter_every_s
        transaction.next_meter_at = at + timedelta(seconds=pace_s)

    def _settle_powers(self, at: datetime) -> datetime | None:
        """Sets what flows now and returns when the stored limits next change by themselves."""
        cap = self.limits.cap(at)
        until, left_w = cap.until, cap.limit_w
        active = [
            (evse, evse.transaction)
            for evse in self.evses.values()
            if evse.energised and evse.transaction is not None
        ]
        for index, (evse, transaction) in enumerate(active):
            own = self.limits.allowance(evse.evse_id, transaction, at)
            share_w = left_w / (len(active) - index)
            allowed_w = min(own.limit_w, share_w)
            power_w = evse.wants_w(allowed_w)
            evse.set_power(power_w, allowed_w, at)
            left_w -= power_w
            if own.until is not None:
                until = own.until if until is None else min(until, own.until)
        return until

    def _judge(self, evse: Evse, transaction: Transaction, at: datetime) -> None:
        self.limits.judge(
            evse.evse_id,
            transaction,
            power_w=evse.power_w,
            total_w=sum(each.power_w for each in self.evses.values()),
            at=at,
        )
