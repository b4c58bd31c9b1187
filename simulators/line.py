"""A station's line to its central system: dial, say what is in the outbox, hang up, dial again.

One line lives as long as its station; each connection has a new voice. Messages are said one at a
time and in order; the first after a start is BootNotification, and until it is accepted nothing
else is said. Who decides when to dial and when to speak is `simulators.driver` or
`simulators.solo`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

from models.errors import FleetError
from simulators.checks import Checks
from simulators.link import Caller, Connect, LinkClosed
from simulators.logs import Upload
from simulators.notices import KEPT_OFFLINE, Answer, Boot, Heartbeat, Notice
from simulators.odd_words import Tongue
from simulators.station import Station
from simulators.voice import Voice
from simulators.voice_v2x import VoiceV21, VoiceV201
from simulators.voice_v16 import VoiceV16

VOICES: dict[str, type[Voice]] = {
    "ocpp1.6": VoiceV16,
    "ocpp2.0.1": VoiceV201,
    "ocpp2.1": VoiceV21,
}


class Line:
    """Between one station and its central system."""

    def __init__(
        self,
        station: Station,
        *,
        connect: Connect,
        password: str | None,
        now: Callable[[], datetime],
        checks: Checks,
        upload: Upload | None = None,
    ) -> None:
        self.station = station
        station.outfit.logs.upload = upload
        self.cut = False
        """While set, the network is down and dialling is in vain."""
        self.refused = ""
        """Why the last dialling was in vain."""
        self.boot_status: str | None = None
        """What the service last answered to Boot; None before its first answer."""
        self._connect = connect
        self._password = password
        self._now = now
        self._checks = checks
        self._voice: Voice | None = None
        self._reading: asyncio.Task[None] | None = None
        self._uploading: asyncio.Task[None] | None = None
        self._message_ids = itertools.count(1)
        self._last_said_at = now()
        self._boot_again_at: datetime | None = None
        self._booted = False
        self._tongue = Tongue(station.identity, station.quirks, now())

    @property
    def online(self) -> bool:
        """Whether the station is connected and its Boot was accepted."""
        return self._voice is not None and not self._voice.closed and self._booted

    @property
    def connected(self) -> bool:
        """Whether there is a connection at all."""
        return self._voice is not None and not self._voice.closed

    async def dial(self) -> bool:
        """Connects if the station has power and the network is there; True if it is connected."""
        station = self.station
        if self._voice is not None and self._voice.closed:
            await self._lost()
        if self.connected or self.cut or not station.powered:
            return self.connected
        password = station.variables.new_password or self._password
        try:
            link = await self._connect(*_knock(station), password)
        except FleetError as error:
            self.refused = error.detail
            return False
        self._voice = VOICES[station.kind.subprotocol](
            station,
            link,
            now=self._now,
            checks=self._checks,
            message_ids=self._message_ids,
            tongue=self._tongue,
        )
        self._reading = asyncio.create_task(self._voice.run(), name=f"reader of {station.identity}")
        boots = any(isinstance(notice, Boot) for notice in station.outbox)
        if self._booted and not boots:
            station.came_online(self._now())
            if "boot-on-reconnect" in station.quirks:
                station.outbox.appendleft(Boot("ApplicationReset"))
        station.online = True
        return True

    async def drain(self) -> None:
        """Says all that is in the outbox, in order, as long as the line holds."""
        outbox = self.station.outbox
        while outbox and self._voice is not None:
            if self._voice.closed:
                await self._lost()
                return
            if self._boot_again_at is not None and self._now() < self._boot_again_at:
                return
            notice = outbox.popleft()
            try:
                answer = await self._voice.say(notice)
            except LinkClosed:
                if isinstance(notice, KEPT_OFFLINE):
                    outbox.appendleft(notice)
                await self._lost()
                return
            self._last_said_at = self._now()
            if isinstance(notice, Boot):
                self._boot_answered(notice, answer)
            self.station.hear(notice, answer, self._now())

    def due(self) -> bool:
        """Returns whether there is something to say, a heartbeat for want of better included."""
        if not self.connected:
            return False
        station = self.station
        self._begin_upload()
        if not station.outbox and self._booted:
            silence = self._now() - self._last_said_at
            if silence >= timedelta(seconds=station.variables.heartbeat_every_s):
                station.outbox.append(Heartbeat())
        return bool(station.outbox)

    async def do_reset(self) -> None:
        """Restarts the station if it was asked to: the line drops and Boot comes first.

        A change of how it logs in drops the line alone.
        """
        credentials = self.station.credentials
        if credentials.wants_redial:
            credentials.wants_redial = False
            await self.hang_up()
        if self.station.wants_reset is None:
            return
        await self.hang_up()
        self.station.reboot(self._now())
        self._booted = False

    async def hang_up(self) -> None:
        """Drops the connection."""
        voice = self._voice
        if voice is not None:
            voice.closed = True
            await voice.link.close()
        await self._lost()

    async def lose_power(self) -> None:
        """The station has gone dark, and its connection with it."""
        await self.hang_up()
        self._booted = False

    def _begin_upload(self) -> None:
        """Begins with the log that was asked for, after the one that is on its way."""
        busy = self._uploading is not None and not self._uploading.done()
        if busy or self.station.outfit.logs.order is None:
            return
        self._uploading = asyncio.create_task(self._upload(), name="upload")

    async def _upload(self) -> None:
        logs = self.station.outfit.logs
        order = logs.begin()
        if order is None or logs.upload is None:
            return
        self.station.outbox.append(order.note("Uploading"))
        file, done = logs.file_of(order), False
        for attempt in range(order.retries + 1):
            if attempt:
                await asyncio.sleep(order.retry_interval_s)
            done = await logs.upload(order.location, file)
            if done:
                break
        self.station.outbox.append(order.note("Uploaded" if done else "UploadFailure"))

    def _boot_answered(self, notice: Notice, answer: Answer) -> None:
        interval_s = answer.interval_s or 60
        self._booted = answer.accepted
        self.boot_status = answer.status
        if answer.accepted:
            self._boot_again_at = None
            self.station.variables.heartbeat_every_s = interval_s
        else:
            self._boot_again_at = self._now() + timedelta(seconds=interval_s)
            self.station.outbox.appendleft(notice)

    async def _lost(self) -> None:
        reading, self._reading, self._voice = self._reading, None, None
        if reading is not None:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
        self.station.went_offline()


def _knock(station: Station) -> tuple[Caller, tuple[str, ...]]:
    """Returns how the station names itself at the door, and what it offers to speak."""
    quirks, path = station.quirks, station.identity
    user = path
    if "path-case" in quirks:
        path = user = path.lower()
    if "path-suffix" in quirks:
        path += "/"
    if "basic-user-mismatch" in quirks:
        user = "charger"
    offered: tuple[str, ...] = (station.kind.subprotocol,)
    if "no-subprotocol" in quirks:
        offered = ()
    elif "subproto-list" in quirks:
        offered = (*offered, "ocpp1.5")
    return Caller(path, user), offered
