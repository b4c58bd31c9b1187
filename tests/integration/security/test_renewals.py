"""Certificates are renewed before they end, and people are told where that fails."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from csms.security.reactions import renewals
from csms.security.reactions.renewals import RenewalKeeper, _ending
from models.clocks import Clock, RealClock
from models.tables.security import StationCertificate
from tests.builders.pki import Pki
from tests.builders.played_security import certificate_stands, renewed, trusting
from tests.builders.played_station import SILENCE, played_station
from tests.builders.tls_house import Box, TlsHouse
from tests.builders.waiting import eventually

VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


async def keeper_of(door: TlsHouse, clock: Clock | None = None) -> RenewalKeeper:
    """Returns a keeper as the house has one; it looks when it is told to."""
    house = door.house
    keeper = RenewalKeeper(
        db=house.db,
        clock=clock or house.clock,
        wall=RealClock(),
        ids=house.services.ids,
        activity=house.activity,
        ahead=timedelta(days=30),
    )
    await keeper.start()
    house.services.bus.subscribe(f"renewals {id(keeper)}", keeper.follows, keeper.heard)
    return keeper


async def certified(door: TlsHouse, subprotocol: str = "ocpp1.6") -> Box:
    """Returns a station that comes by a certificate of ours."""
    box = await door.box("CP-1", subprotocol, profile=2)
    await door.house.post("/stations/CP-1/certificates/renew", None, 202)
    await door.certificate("CP-1", "installed")
    await door.house.patch("/stations/CP-1", {"security_profile": 3})
    box.credentials.profile = 3
    await door.certificate("CP-1", "in-use")
    await eventually(lambda: box.line.online)
    return box


async def put(door: TlsHouse, **columns: Any) -> None:
    """Changes the certificates' rows, as time would."""
    await door.house.activity.quiet()
    async with door.house.db.write(door.house.clock, door.house.services.ids) as work:
        await work.session.execute(sa.update(StationCertificate).values(**columns))


async def age(door: TlsHouse, left: timedelta) -> None:
    """Lets the certificates have this much of their lives left."""
    ends = RealClock().now() + left
    await put(door, not_before=ends - timedelta(days=365), not_after=ends)


async def renewal(door: TlsHouse, state: str) -> dict[str, Any]:
    """Returns the station's first certificate once its renewal stands so."""
    found: dict[str, Any] = {}

    async def stands() -> bool:
        found.update((await door.certificates("CP-1"))[-1])
        return found["renewal"] is not None and found["renewal"]["state"] == state

    await eventually(stands)
    return found


@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_a_station_renews_its_certificate_before_it_ends(
    door_on_both: TlsHouse, subprotocol: str
) -> None:
    door = door_on_both
    keeper = await keeper_of(door)
    box = await certified(door, subprotocol)
    await keeper.look()
    assert (await door.certificates("CP-1"))[0]["renewal"] is None
    await age(door, timedelta(days=29))
    await keeper.look()
    old = await renewal(door, "renewed")
    assert (old["renewal"]["tries"], old["renewal"]["why"]) == (1, None)
    new = (await door.certificates("CP-1"))[0]
    assert new["id"] != old["id"]
    assert new["renewal"] is None
    await eventually(lambda: box.line.online)
    assert (await door.certificate("CP-1", "in-use"))["id"] == new["id"]
    await keeper.look()
    assert len(await door.certificates("CP-1")) == 2
    await keeper.stop()
    events = await door.house.events(f"certificate/{old['id']}")
    assert events[-2:] == ["certificate.expiring", "certificate.renewed"]


async def test_a_station_that_does_not_renew_is_an_alarm_and_is_asked_again(
    door: TlsHouse,
) -> None:
    keeper = await keeper_of(door)
    box = await certified(door)
    box.credentials.directory = None
    await age(door, timedelta(days=10))
    await keeper.look()
    failed = await renewal(door, "failed")
    assert "NotImplemented" in failed["renewal"]["why"]
    assert failed["renewal"]["tries"] == 1
    events = (await door.house.get("/stations/CP-1/security-events"))["items"]
    assert [each["type"] for each in events] == ["certificate-renewal-failed"]
    listed = await door.house.get("/station-certificates", renewal="failed")
    assert [each["id"] for each in listed["items"]] == [failed["id"]]
    await keeper.look()
    assert (await renewal(door, "failed"))["renewal"]["tries"] == 1, "only after a while"
    box.credentials.directory = door.directory
    await put(door, renewal_at=door.house.clock.now() - timedelta(hours=1, seconds=1))
    await keeper.look()
    assert (await renewal(door, "renewed"))["renewal"]["tries"] == 2
    assert await door.house.events(f"certificate/{failed['id']}") == [
        "certificate.requested",
        "certificate.sent",
        "certificate.installed",
        "certificate.used",
        "certificate.expiring",
        "certificate.renewal_failed",
        "certificate.renewal_asked",
        "certificate.renewed",
    ]
    assert (await door.house.get("/station-certificates", renewal="failed"))["items"] == []
    await keeper.stop()


async def test_a_certificate_that_is_not_taken_is_an_alarm(door: TlsHouse) -> None:
    keeper = await keeper_of(door)
    box = await certified(door)
    box.credentials.take = lambda chain: False  # type: ignore[method-assign]
    await age(door, timedelta(days=10))
    await keeper.look()
    failed = await renewal(door, "failed")
    assert "did not take it" in failed["renewal"]["why"]
    await keeper.stop()


async def test_a_station_that_agrees_and_does_nothing_is_an_alarm_after_two_hours(
    door: TlsHouse,
) -> None:
    keeper = await keeper_of(door)
    box = await certified(door)
    box.credentials.ask = lambda: "nothing of use"  # type: ignore[method-assign]
    box.station.outbox.clear()
    box.running.cancel()
    await age(door, timedelta(days=10))
    await keeper.look()
    await renewal(door, "asked")
    await keeper.stop()
    again = await keeper_of(door)
    await put(door, renewal_at=door.house.clock.now() - timedelta(hours=2))
    await again.look()
    failed = await renewal(door, "failed")
    assert failed["renewal"]["why"] == "no new certificate came of it in time"
    await again.stop()


async def test_a_renewal_that_a_former_process_began_is_finished_by_the_next(
    door: TlsHouse,
) -> None:
    keeper = await keeper_of(door)
    box = await certified(door)
    await box.stop()
    await eventually(lambda: not door.house.gateway.online("CP-1"))
    await age(door, timedelta(days=10))
    await keeper.look()
    await renewal(door, "asked")
    await keeper.stop()
    await keeper_of(door)
    box.go_on()
    await renewal(door, "renewed")


async def test_of_a_certificate_that_was_issued_elsewhere_it_is_only_said_that_it_ends(
    door: TlsHouse,
) -> None:
    keeper = await keeper_of(door)
    await certified(door)
    await age(door, timedelta(days=3))
    await put(door, request=None)
    for _ in range(2):
        await keeper.look()
    (one,) = await door.certificates("CP-1")
    assert (one["renewal"]["state"], one["renewal"]["tries"]) == ("elsewhere", 0)
    events = await door.house.events(f"certificate/{one['id']}")
    assert events.count("certificate.expiring") == 1
    await keeper.stop()


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"revoked_at": RealClock().now()}, "revoked"),
        ({"not_before": RealClock().now() - timedelta(days=20)}, "more than a third is left"),
        ({"state": "failed"}, "the station does not have it"),
    ],
)
async def test_a_certificate_that_stands_in_no_need_is_left_alone(
    door: TlsHouse, columns: dict[str, Any], why: str
) -> None:
    keeper = await keeper_of(door)
    await certified(door)
    await age(door, timedelta(days=12))
    await put(door, **columns)
    await keeper.look()
    assert (await door.certificates("CP-1"))[0]["renewal"] is None, why
    await keeper.stop()


async def held(door: TlsHouse, identity: str, left: timedelta, **columns: Any) -> None:
    """Lets a station that is away have a certificate with so much left."""
    await door.house.station(identity, "A")
    ends = RealClock().now() + left
    async with door.house.db.write(door.house.clock, door.house.services.ids) as work:
        row = {
            "id": f"C-{identity}",
            "tenant_id": "default",
            "station": identity,
            "state": "installed",
            "request": "as it was sent",
            "not_before": ends - timedelta(days=365),
            "not_after": ends,
            "created_at": work.now,
            "updated_at": work.now,
        }
        work.session.add(StationCertificate(**(row | columns)))


async def renewals_of(door: TlsHouse) -> dict[str, str | None]:
    query = sa.select(StationCertificate.station, StationCertificate.renewal)
    async with door.house.db.read() as session:
        return {row.station: row.renewal for row in await session.execute(query)}


async def test_certificates_that_wait_do_not_keep_others_waiting(
    door_on_both: TlsHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = door_on_both
    monkeypatch.setattr(renewals, "_AT_ONCE", 1)
    await door.house.site(id="A", name="A")
    now = door.house.clock.now()
    tried = {"renewal": "failed", "renewal_tries": 1, "renewal_at": now}
    await held(door, "CP-1", timedelta(days=1), **tried)
    await held(door, "CP-2", timedelta(days=2))
    await held(door, "CP-3", timedelta(days=3))
    keeper = await keeper_of(door)
    assert await renewals_of(door) == {"CP-1": "failed", "CP-2": "asked", "CP-3": None}
    await keeper.look()
    assert (await renewals_of(door))["CP-3"] == "asked"
    await keeper.stop()


async def test_certificates_that_are_done_with_are_not_even_read(door_on_both: TlsHouse) -> None:
    door = door_on_both
    await door.house.site(id="A", name="A")
    day = timedelta(days=1)
    await held(door, "CP-1", -day, renewal="failed", renewal_at=door.house.clock.now())
    await held(door, "CP-2", day, renewal="elsewhere", request=None)
    await held(door, "CP-3", -day, renewal="asked", renewal_at=door.house.clock.now())
    await held(door, "CP-4", day, renewal="failed", renewal_at=door.house.clock.now())
    await held(door, "CP-5", day)
    async with door.house.db.read() as session:
        rows = list(await session.scalars(_ending(RealClock(), 30 * day)))
    assert [row.station for row in rows] == ["CP-3", "CP-4", "CP-5"]


async def test_whatever_breaks_one_look_the_next_one_comes(
    door: TlsHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = await keeper_of(door, Quick())
    looked: list[int] = []

    async def look() -> None:
        looked.append(1)
        raise RuntimeError("as no look should")

    monkeypatch.setattr(keeper, "look", look)
    await eventually(lambda: len(looked) > 1)
    await keeper.stop()


class Quick(RealClock):
    """A clock on which hours are short."""

    async def sleep_until(self, when: datetime) -> None:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_login_shows_that_a_certificate_was_taken_whose_answer_was_lost(
    sqlite_url: str, tmp_path: Path, version: str
) -> None:
    pki = Pki(tmp_path / "pki")
    async with played_station(sqlite_url, version, pki=pki) as cs:
        own = await renewed(cs, tmp_path, SILENCE)
        assert "no answer" in (await certificate_stands(cs, "failed"))["why"]
        await cs.hang_up()
        await cs.dial(tls=trusting(pki, *own), password=None)
        assert (await certificate_stands(cs, "in-use"))["why"] is None


async def test_all_stations_certificates_are_listed_and_filtered(door: TlsHouse) -> None:
    await certified(door)
    soon = {"ends_before": "2020-01-01T00:00:00Z"}
    late = {"ends_before": "2100-01-01T00:00:00Z", "station": "CP-1"}
    assert (await door.house.get("/station-certificates", **soon))["items"] == []
    assert len((await door.house.get("/station-certificates", **late))["items"]) == 1
    assert (await door.house.get("/station-certificates", station="CP-2"))["items"] == []
    await door.house.get("/station-certificates", 422, renewal="perhaps")
