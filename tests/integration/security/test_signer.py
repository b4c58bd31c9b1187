"""Requests that were accepted are signed, and nobody waits for an authority that hangs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from csms.bus.base import EventNote
from csms.certificates import CertificateAuthority, SigningRequest
from csms.security.reactions import signer as signer_module
from csms.security.reactions.signer import CertificateSigner
from models.clocks import Activity, RealClock
from models.errors import Unavailable
from models.tables.security import StationCertificate
from simulators import keys
from simulators.notices import SignRequest
from tests.builders.rest_house import RestHouse
from tests.builders.tls_house import TlsHouse, tls_house
from tests.builders.waiting import eventually


class Hanging:
    """An authority that says nothing, or breaks."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked = 0
        self.error = error

    async def root(self) -> str:
        raise Unavailable("it hangs")

    async def sign(self, request: SigningRequest) -> str:
        self.asked += 1
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()
        raise AssertionError


def signer_of(
    house: RestHouse, authority: CertificateAuthority, activity: Activity | None = None
) -> CertificateSigner:
    return CertificateSigner(
        db=house.db,
        clock=house.clock,
        wall=RealClock(),
        ids=house.services.ids,
        activity=activity or house.activity,
        authority=authority,
    )


async def asked_for(door: TlsHouse, count: int) -> None:
    """Lets there be accepted requests of a station, as a former process may leave them."""
    await door.house.site(id="A", name="A")
    await door.house.station("CP-1", "A")
    async with door.house.db.write(door.house.clock, door.house.services.ids) as work:
        for number in range(count):
            row = StationCertificate(
                id=f"C-{number}",
                tenant_id="default",
                station="CP-1",
                state="requested",
                request=keys.ask("CP-1", "Heliofleet").csr,
                created_at=work.now,
                updated_at=work.now,
            )
            work.session.add(row)


async def states(house: RestHouse) -> list[str]:
    async with house.db.read() as session:
        return list(await session.scalars(sa.select(StationCertificate.state)))


def a_note(certificate_id: str) -> EventNote:
    return EventNote(
        id=1,
        type="certificate.requested",
        time=RealClock().now(),
        subject=f"certificate/{certificate_id}",
        resource=b"{}",
        tenant="default",
        site_id=None,
    )


async def test_nobody_waits_for_an_authority_that_hangs(sqlite_url: str, tmp_path: Path) -> None:
    hanging = Hanging()
    async with tls_house(sqlite_url, tmp_path, outside=hanging) as door:
        box = await door.box("CP-1", profile=2)
        box.station.outbox.append(SignRequest(keys.ask("CP-1", "Heliofleet").csr))
        await eventually(lambda: hanging.asked == 1)
        (asked,) = await door.certificates("CP-1")
        activity = Activity()
        async with asyncio.timeout(60):
            later = signer_of(door.house, hanging, activity)
            await later.start()
            await later.heard(a_note(asked["id"]))
            await eventually(lambda: hanging.asked == 2)
            assert activity.count == 1, "a stepped clock waits for what is being signed"
            await later.stop()
        assert activity.count == 0
        assert (await door.certificates("CP-1"))[0]["status"] == "requested"


async def test_what_does_not_fit_into_memory_is_signed_all_the_same(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signer_module, "_WAITING_MAX", 3)
    async with tls_house(sqlite_url, tmp_path) as door:
        await asked_for(door, 11)
        signer = signer_of(door.house, door.house.services.authority)
        await signer.start()
        for number in range(11):
            await signer.heard(a_note(f"C-{number}"))
        await door.house.activity.quiet()
        await signer.stop()
        assert await states(door.house) == ["sent"] * 11


async def test_a_request_that_breaks_the_authority_has_failed(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with tls_house(sqlite_url, tmp_path) as door:
        await asked_for(door, 6)
        signer = signer_of(door.house, Hanging(RuntimeError("as no authority should")))
        await signer.start()
        await door.house.activity.quiet()
        await signer.stop()
        assert await states(door.house) == ["failed"] * 6


async def test_a_database_that_was_away_is_not_the_end(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_house(sqlite_url, tmp_path) as door:
        await asked_for(door, 2)
        signer = signer_of(door.house, door.house.services.authority)

        async def away(*_: Any) -> None:
            raise Unavailable("the database is away")

        with monkeypatch.context() as patch:
            patch.setattr(signer, "_sign", away)
            await signer.start()
            await door.house.activity.quiet()
        assert await states(door.house) == ["requested"] * 2
        await signer.heard(a_note("C-1"))
        await door.house.activity.quiet()
        await signer.stop()
        assert await states(door.house) == ["sent"] * 2
