"""A house with REST and station doors in one process, without planner: for tests over HTTP."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import msgspec
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI

from csms.booking.desk import Desk
from csms.bus.local import LocalBus
from csms.certificates import CertificateAuthority
from csms.config import Settings
from csms.gateway.limits import Limits
from csms.gateway.memory import MemoryLink
from csms.gateway.server import Gateway
from csms.intake import Intake, deciders
from csms.keyring import Keyring
from csms.ledger.committer import Committer
from csms.ledger.database import Database
from csms.ledger.relay import Relay
from csms.routers import ROUTERS
from csms.security.authority import BuiltInAuthority
from csms.security.reactions.changes import ChangeKeeper
from csms.security.reactions.signer import CertificateSigner
from csms.trust.errands import CertificateErrands
from csms.web.application import build_api
from csms.web.services import Services
from models.clocks import Activity, Clock, RealClock, RealWireClock, SteppedClock
from models.ids import UlidMaker
from models.tables.ledger import Event
from models.timeline import format_rfc3339

BOOTSTRAP = "bootstrap-key-for-tests-0123456789"
START = datetime(2026, 6, 15, 6, 0, tzinfo=UTC)


@dataclass
class RestHouse:
    """A running house and a client with an admin's key."""

    db: Database
    services: Services
    gateway: Gateway
    app: FastAPI
    http: httpx.AsyncClient
    clock: Clock
    activity: Activity

    def client(self, key: str | None) -> httpx.AsyncClient:
        """Returns a client with another key, or none."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://house", headers=headers)

    def set_public_url(self, url: str) -> None:
        """Says where stations reach the REST door, once that is known."""
        settings = self.services.settings.model_copy(update={"public_url": url.rstrip("/")})
        self.services = replace(self.services, settings=settings)
        self.app.state.services = self.services

    async def key(self, role: str) -> str:
        """Returns a new API key with a role."""
        answer = await self.http.post("/api/v1/api-keys", json={"role": role, "name": role})
        assert answer.status_code == 201, answer.text
        if role == "admin":
            self.http.headers["Authorization"] = f"Bearer {answer.json()['key']}"
        return answer.json()["key"]

    async def post(self, path: str, body: Any, status: int = 201, **more: Any) -> Any:
        """Posts JSON and returns the answer's, which must have `status`."""
        answer = await self.http.post(f"/api/v1{path}", json=body, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str, status: int = 200, /, **query: Any) -> Any:
        """Gets JSON, with `status`."""
        answer = await self.http.get(f"/api/v1{path}", params=query)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def patch(self, path: str, body: Any, status: int = 200, **more: Any) -> Any:
        """Patches and returns the answer's JSON, which must have `status`."""
        answer = await self.http.patch(f"/api/v1{path}", json=body, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def put(self, path: str, body: Any, status: int = 200) -> Any:
        """Puts and returns the answer's JSON, which must have `status`."""
        answer = await self.http.put(f"/api/v1{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def delete(self, path: str, status: int = 204) -> None:
        """Deletes, with `status`."""
        answer = await self.http.delete(f"/api/v1{path}")
        assert answer.status_code == status, answer.text

    async def site(self, **fields: Any) -> Any:
        """Creates a site."""
        return await self.post("/sites", a_site(**fields))

    async def station(self, identity: str, site_id: str, **fields: Any) -> Any:
        """Creates a station."""
        return await self.post("/stations", {"identity": identity, "site_id": site_id, **fields})

    async def vehicle(self, site_id: str, **fields: Any) -> Any:
        """Creates a car of a new model."""
        model = await self.post("/vehicle-models", a_model())
        return await self.post("/vehicles", {"model_id": model["id"], "site_id": site_id, **fields})

    async def fleet(self, *cars: str, soc_pct: float = 80.0, power_w: float = 3_700.0) -> None:
        """Creates site A with one EVSE for each of these cars, plugged in, and the driver ada."""
        await self.site(id="A", name="Arc")
        await self.post("/vehicle-models", a_model(id="mia"))
        await self.post("/drivers", {"id": "ada", "name": "Ada"})
        numbers = range(1, len(cars) + 1)
        evses = [{"evse_id": number, "max_power_w": power_w} for number in numbers]
        await self.station("CP-A", "A", evses=evses)
        for number, car in zip(numbers, cars, strict=True):
            await self.post("/vehicles", {"id": car, "model_id": "mia", "site_id": "A"})
            state = {"soc_pct": soc_pct, "plugged_evse": f"CP-A/{number}"}
            await self.post(f"/vehicles/{car}/state", state, 200)

    async def events(self, subject: str) -> list[str]:
        """Returns the types of all events about a thing, oldest first."""
        async with self.db.read() as session:
            query = sa.select(Event.type).where(Event.subject == subject).order_by(Event.id)
            return list((await session.execute(query)).scalars())

    async def connect(self, identity: str, password: str, version: str = "ocpp1.6") -> MemoryLink:
        """Connects a station and boots it."""
        basic = base64.b64encode(f"{identity}:{password}".encode()).decode()
        link = await self.gateway.connect_memory(identity, [version], f"Basic {basic}")
        boot: dict[str, Any] = {"chargePointVendor": "V", "chargePointModel": "M"}
        if version != "ocpp1.6":
            boot = {
                "reason": "PowerUp",
                "chargingStation": {"vendorName": "V", "model": "M"},
            }
        await link.send(frame([2, "boot", "BootNotification", boot]))
        answer = msgspec.json.decode(await link.recv())
        assert answer[2]["status"] == "Accepted", answer
        return link


def a_site(**fields: Any) -> dict[str, Any]:
    """Returns a site as it is created."""
    return {
        "name": "Confluence",
        "latitude": 45.74,
        "longitude": 4.82,
        "timezone": "Europe/Paris",
        "import_limit_w": 90_000,
    } | fields


def a_model(**fields: Any) -> dict[str, Any]:
    """Returns a model of cars as it is created."""
    return {
        "name": "Mia",
        "vehicle_class": "city",
        "battery_capacity_wh": 16_000,
        "max_ac_power_w": 3_700,
        "consumption_wh_per_km": 140,
    } | fields


def a_trip(start: datetime, hours: float = 2.0, **fields: Any) -> dict[str, Any]:
    """Returns a booking of ada at site A as it is asked for."""
    return {
        "driver_id": "ada",
        "pickup_site_id": "A",
        "start": format_rfc3339(start),
        "end": format_rfc3339(start + timedelta(hours=hours)),
        "distance_km": 20,
    } | fields


def frame(parts: list[Any]) -> str:
    """Returns an OCPP frame as text."""
    return msgspec.json.encode(parts).decode()


@asynccontextmanager
async def rest_house(
    url: str,
    *,
    stepped: bool = False,
    onboarding: str = "pending",
    limits: Limits | None = None,
    settings: dict[str, Any] | None = None,
    outside: CertificateAuthority | None = None,
) -> AsyncIterator[RestHouse]:
    """Runs a house on a database whose schema is up to date."""
    activity, wire = Activity(), RealWireClock()
    stepping = SteppedClock(START, activity) if stepped else None
    clock: Clock = stepping or RealClock()
    ids = UlidMaker(clock, Random(1))
    given = {"bootstrap_api_key": BOOTSTRAP, "station_onboarding": onboarding}
    effective = Settings.model_validate(given | (settings or {}))
    keyring = Keyring(b"k" * 32)
    db = Database.open(url)
    await db.start()
    bus = LocalBus(activity)
    relay = Relay(db, bus, clock=clock, ids=ids, activity=activity, wire=wire)
    committer = Committer(db, deciders(), clock, ids, activity, wire)
    wall = RealClock()
    built_in = BuiltInAuthority(
        db=db, keyring=keyring, wall=wall, ids=ids, operator_name=effective.operator_name
    )
    authority = outside or built_in
    signer = CertificateSigner(
        db=db, clock=clock, wall=wall, ids=ids, activity=activity, authority=authority
    )
    errands = CertificateErrands.of(effective, wall)
    gateway = Gateway(
        db=db,
        intake=Intake(committer),
        bus=bus,
        keyring=keyring,
        settings=effective,
        clock=clock,
        wire=wire,
        ids=ids,
        activity=activity,
        limits=limits or Limits(refusal_delay_s=0.0, call_s=0.6, call_quiet_s=0.2, close_s=0.3),
        own_authority=built_in.root if outside is None else built_in.kept_root,
        errands=errands.errand_for,
    )
    services = Services(
        db=db,
        clock=clock,
        ids=ids,
        bus=bus,
        keyring=keyring,
        gateway=gateway,
        courier=gateway.courier,
        settings=effective,
        authority=authority,
        activity=activity,
        desk=Desk(),
        stepped=stepping,
    )
    app = build_api(services, ROUTERS)
    await committer.start()
    await relay.start()
    await signer.start()
    bus.subscribe("certificates", signer.follows, signer.heard)
    changes = ChangeKeeper(
        db=db,
        clock=clock,
        ids=ids,
        disconnect=gateway.disconnect,
        station_changed=gateway.station_changed,
    )
    await changes.start()
    bus.subscribe("security changes", changes.follows, changes.heard)
    await gateway.open()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {BOOTSTRAP}"}
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://house", headers=headers
        ) as http:
            yield RestHouse(db, services, gateway, app, http, clock, activity)
    finally:
        app.state.streams.close()
        await gateway.drain(1.0)
        await errands.close()
        await signer.stop()
        await committer.drain()
        await relay.close()
        await bus.close()
        await committer.close()
        await db.close()


@asynccontextmanager
async def served(house: RestHouse) -> AsyncIterator[httpx.AsyncClient]:
    """Serves the house on a port of its own."""
    config = uvicorn.Config(
        house.app, host="127.0.0.1", port=0, lifespan="off", log_level="error", ws="none"
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    ticking = asyncio.create_task(server.main_loop())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=house.http.headers
        ) as http:
            yield http
    finally:
        house.app.state.streams.close()
        server.should_exit = True
        await ticking
        await server.shutdown()
