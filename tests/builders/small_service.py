"""A small service for worlds to be played against: books cars by a naive calendar, answers OCPP.

It is no model of the real one: it has just enough sense to say yes or no, name a car, and answer
every station, so that the simulators can be tested before and without it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from models.timeline import format_rfc3339, parse_rfc3339
from simulators.link import Caller, Link, LinkRefused
from tests.builders.memory_pair import MemoryLink, memory_pair

BUFFER = timedelta(minutes=30)


@dataclass
class Promise:
    id: str
    start: datetime
    end: datetime
    pickup: str
    dropoff: str
    km: float
    status: str = "confirmed"


@dataclass
class Fleetling:
    id: str
    vehicle_class: str
    home: str
    capacity_wh: float
    wh_per_km: float
    promises: list[Promise] = field(default_factory=list)

    def takes(self, wish: Promise, begin: datetime) -> bool:
        """Whether the chain with the wish works: places, times, and energy by a rough rule."""
        kept = [p for p in self.promises if p.status != "cancelled"]
        chain = sorted([*kept, wish], key=lambda p: p.start)
        site, free, soc = self.home, begin, 0.5 * self.capacity_wh
        for p in chain:
            if p.pickup != site or (free > begin and p.start < free + BUFFER):
                return False
            hours = (p.start - free).total_seconds() / 3600
            soc = min(self.capacity_wh, soc + max(0.0, hours) * 3700 * 0.9 * 0.85)
            if soc - p.km * self.wh_per_km * 1.15 < 0.1 * self.capacity_wh:
                return False
            soc -= p.km * self.wh_per_km * 1.1
            site, free = p.dropoff, p.end
        return True


class SmallService:
    """REST by `transport`, OCPP by `connect`, time by `until`."""

    def __init__(self, start: datetime, *, refuse_tokens: bool = False) -> None:
        self.clock = start
        self.begin = start
        self.refuse_tokens = refuse_tokens
        self.cars: dict[str, Fleetling] = {}
        self.models: dict[str, Any] = {}
        self.held: dict[str, Fleetling] = {}
        self.promises: dict[str, Promise] = {}
        self.heard: list[tuple[str, str, dict[str, Any]]] = []
        """Station, action, payload."""
        self.rest: Counter[str] = Counter()
        self.log: list[str] = []
        """All that came in, in order."""
        self.links: dict[str, MemoryLink] = {}
        self.on_call: Callable[[str, str, dict[str, Any]], None] | None = None
        self.answers: dict[str, Any] = {}
        self._asked: dict[str, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def now(self) -> datetime:
        return self.clock

    async def until(self, when: datetime) -> None:
        self.clock = max(self.clock, when)
        for _ in range(5):
            await asyncio.sleep(0)

    def client(self) -> httpx.AsyncClient:
        transport = httpx.MockTransport(self._rest)
        return httpx.AsyncClient(transport=transport, base_url="http://small")

    async def connect(
        self, caller: Caller, subprotocols: tuple[str, ...], password: str | None
    ) -> Link:
        identity = caller.path
        if password is None:
            raise LinkRefused(identity)
        near, far = memory_pair()
        self.links[identity] = far
        version = next(iter(subprotocols), "ocpp1.6")
        task = asyncio.get_running_loop().create_task(self._serve(identity, version, far))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return near

    async def order(self, identity: str, action: str, payload: dict[str, Any]) -> Any:
        """Sends a command and returns the answer: a payload, or the code of a CALLERROR."""
        message_id = f"cmd-{next(self._ids)}"
        answered = self._asked[message_id] = asyncio.get_running_loop().create_future()
        frame = msgspec.json.encode([2, message_id, action, payload]).decode()
        await self.links[identity].send(frame)
        answer = await answered
        del self._asked[message_id]
        return answer

    async def _serve(self, identity: str, version: str, link: MemoryLink) -> None:
        try:
            while True:
                frame = msgspec.json.decode(await link.recv())
                if frame[0] == 2:
                    _, message_id, action, payload = frame
                    self.heard.append((identity, action, payload))
                    self.log.append(f"{self.clock:%d %H:%M} {identity} {action} {payload}")
                    if self.on_call is not None:
                        self.on_call(identity, action, payload)
                    reply = self.answers.get(action) or self._answer(version, action, payload)
                    await link.send(msgspec.json.encode([3, message_id, reply]).decode())
                elif frame[1] in self._asked:
                    self._asked[frame[1]].set_result(frame[2])
        except Exception as error:
            if type(error).__name__ != "LinkClosed":
                raise

    def _answer(self, version: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        now = format_rfc3339(self.clock)
        status = "Invalid" if self.refuse_tokens else "Accepted"
        if action == "BootNotification":
            return {"currentTime": now, "interval": 300, "status": "Accepted"}
        if action == "Heartbeat":
            return {"currentTime": now}
        if action == "StartTransaction":
            return {"transactionId": next(self._ids), "idTagInfo": {"status": status}}
        if action == "Authorize" and version == "ocpp1.6":
            return {"idTagInfo": {"status": status}}
        if action == "Authorize" or (action == "TransactionEvent" and "idToken" in payload):
            return {"idTokenInfo": {"status": status}}
        return {}

    def _rest(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        body = msgspec.json.decode(request.content) if request.content else {}
        self.rest[f"{request.method} {path.split('/')[1]}"] += 1
        self.log.append(f"{self.clock:%d %H:%M} {request.method} {path} {body}")
        parts = path.strip("/").split("/")
        if parts[0] == "bookings":
            return self._bookings(parts, body)
        if parts == ["vehicle-models"]:
            self.models[body["id"]] = body
        if parts == ["vehicles"]:
            model = self.models[body["model_id"]]
            self.cars[body["id"]] = Fleetling(
                body["id"],
                model["vehicle_class"],
                body["site_id"],
                model["battery_capacity_wh"],
                model["consumption_wh_per_km"],
            )
        return httpx.Response(201, json=body)

    def _bookings(self, parts: list[str], body: dict[str, Any]) -> httpx.Response:
        if len(parts) == 1:
            return self._book(body)
        promise = self.promises[parts[1]]
        action = parts[2] if len(parts) > 2 else ""
        status = {"cancel": "cancelled", "start": "active", "return": "returned"}.get(action)
        promise.status = status or promise.status
        return httpx.Response(200, json=self._shown(promise))

    def _book(self, body: dict[str, Any]) -> httpx.Response:
        start, end = parse_rfc3339(body["start"]), parse_rfc3339(body["end"])
        for shift in (0, 30, -30, 60, 90):
            delta = timedelta(minutes=shift)
            wish = Promise(
                f"b-{next(self._ids)}",
                start + delta,
                end + delta,
                body["pickup_site_id"],
                body["dropoff_site_id"],
                body["distance_km"],
            )
            car = self._car_for(wish, body.get("vehicle_class"))
            if car is not None and shift == 0:
                car.promises.append(wish)
                self.held[wish.id] = car
                self.promises[wish.id] = wish
                return httpx.Response(201, json=self._shown(wish))
            if car is not None:
                other = {**body, "start": format_rfc3339(wish.start)}
                other["end"] = format_rfc3339(wish.end)
                return httpx.Response(409, json={"code": "no-vehicle", "alternatives": [other]})
        return httpx.Response(409, json={"code": "no-vehicle", "alternatives": []})

    def _car_for(self, wish: Promise, vehicle_class: str | None) -> Fleetling | None:
        if wish.start < self.clock:
            return None
        for car in self.cars.values():
            if vehicle_class in (None, car.vehicle_class) and car.takes(wish, self.begin):
                return car
        return None

    def _shown(self, promise: Promise) -> dict[str, Any]:
        return {
            "id": promise.id,
            "status": promise.status,
            "start": format_rfc3339(promise.start),
            "end": format_rfc3339(promise.end),
            "pickup_site_id": promise.pickup,
            "dropoff_site_id": promise.dropoff,
            "distance_km": promise.km,
            "vehicle_id": self.held[promise.id].id,
        }
