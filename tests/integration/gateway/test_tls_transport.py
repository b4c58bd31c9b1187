"""The door with TLS: which handshakes are taken, and who is let in by certificate or password."""

from __future__ import annotations

import asyncio
import os
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from websockets.exceptions import InvalidHandshake, InvalidStatus

from csms.gateway.limits import Limits
from csms.gateway.tls import RSA_SUITES, SUITES
from models.tables.security import StationCertificate
from models.tables.stations import SecurityEvent
from tests.builders.pki import DAY, Pki
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import QUICK, Rig, boot, call, closed, rig

CUT = (OSError, InvalidHandshake, EOFError)
"""What a client sees of a handshake that is cut off."""


class TlsRig:
    """A house with both doors, and the authority behind its certificates."""

    def __init__(self, house: Rig, pki: Pki) -> None:
        self.house = house
        self.pki = pki

    def context(self, *certificate: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pki.ca))
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    async def dial(self, identity: str, password: str | None = None, *certificate: Path) -> Any:
        return await self.house.dial(identity, password, ssl=self.context(*certificate))

    async def status(self, identity: str, password: str | None = None, *certificate: Path) -> int:
        with pytest.raises(InvalidStatus) as failure:
            await self.dial(identity, password, *certificate)
        return failure.value.response.status_code

    async def events(self) -> list[str]:
        return [event.type for event in await self.house.rows(sa.select(SecurityEvent))]

    async def handshake(self, context: ssl.SSLContext) -> tuple[str, str]:
        """Returns version and suite of a handshake."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.house.tls_port, ssl=context, server_hostname="127.0.0.1"
        )
        made: ssl.SSLObject = writer.get_extra_info("ssl_object")
        found = (made.version() or "", (made.cipher() or ("", "", 0))[0])
        writer.close()
        del reader
        return found


@asynccontextmanager
async def tls_rig(
    directory: Path,
    *,
    kinds: tuple[str, ...] = ("ec", "rsa"),
    limits: Limits = QUICK,
    **settings: Any,
) -> AsyncIterator[TlsRig]:
    pki = Pki(directory / "pki")
    made = [pki.server(kind) for kind in kinds]
    given = {
        "ocpp_tls_port": 0,
        "ocpp_tls_certificate": tuple(certificate for certificate, _ in made),
        "ocpp_tls_key": tuple(key for _, key in made),
        "ocpp_tls_client_ca": pki.ca,
    } | settings
    async with rig(directory, limits=limits, settings=given) as house:
        yield TlsRig(house, pki)


def plain_context(pki: Pki) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(pki.ca))


async def test_tls_1_2_and_1_3_are_taken_and_older_ones_are_not(tmp_path: Path) -> None:
    async with tls_rig(tmp_path) as door:
        for version, name in (
            (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
            (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        ):
            context = plain_context(door.pki)
            context.minimum_version = context.maximum_version = version
            assert (await door.handshake(context))[0] == name
        for old in ("TLSv1", "TLSv1_1"):
            context = plain_context(door.pki)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = getattr(ssl.TLSVersion, old)
                context.maximum_version = getattr(ssl.TLSVersion, old)
            context.set_ciphers("ALL:@SECLEVEL=0")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await door.handshake(context)


async def offered(door: TlsRig, suite: str) -> str | None:
    """Returns the suite of a TLS 1.2 handshake that offers this one alone; None: refused."""
    context = plain_context(door.pki)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    try:
        return (await door.handshake(context))[1]
    except (ssl.SSLError, ConnectionError):
        return None


BAD_SUITES = (
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384",
    "AES128-SHA",
    "AES256-SHA256",
    "DHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "NULL-SHA256",
    "AECDH-AES128-SHA",
)


async def test_only_suites_with_forward_secrecy_are_taken(tmp_path: Path) -> None:
    async with tls_rig(tmp_path) as door:
        for suite in SUITES:
            assert await offered(door, suite) == suite
        for suite in (*RSA_SUITES, *BAD_SUITES):
            assert await offered(door, suite) is None


async def test_the_suites_that_ocpp_demands_without_it_are_taken_where_they_are_asked_for(
    tmp_path: Path,
) -> None:
    async with tls_rig(tmp_path, ocpp_tls_rsa_key_exchange=True) as door:
        for suite in (*SUITES, *RSA_SUITES):
            assert await offered(door, suite) == suite
        for suite in BAD_SUITES:
            assert await offered(door, suite) is None


async def test_with_an_ecdsa_certificate_alone_rsa_suites_find_nothing(tmp_path: Path) -> None:
    async with tls_rig(tmp_path, kinds=("ec",)) as door:
        assert await offered(door, SUITES[0]) == SUITES[0]
        assert await offered(door, SUITES[2]) is None


@pytest.mark.parametrize("subprotocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_profile_2_is_a_password_over_tls(tmp_path: Path, subprotocol: str) -> None:
    async with tls_rig(tmp_path) as door:
        password = await door.house.add_station("CP-1", security_profile=2)
        link = await door.house.dial("CP-1", password, (subprotocol,), ssl=door.context())
        assert link.subprotocol == subprotocol
        assert (await boot(link))[2]["status"] == "Accepted"
        await link.close()
        assert link.close_code == 1000
        assert await door.status("CP-1") == 401
        assert await door.status("CP-1", "wrong password 12") == 401


async def test_a_long_message_and_a_server_side_close_pass_through_tls(tmp_path: Path) -> None:
    async with tls_rig(tmp_path) as door:
        password = await door.house.add_station("CP-1", security_profile=2)
        link = await door.dial("CP-1", password)
        await boot(link)
        data = "x" * 300_000
        answer = await call(link, "DataTransfer", {"vendorId": "Acme", "data": data}, "long")
        while answer[1] != "long":
            answer = await asyncio.wait_for(door_next(link), 60)
        assert answer[2]["status"] == "UnknownVendorId"
        assert await door.house.gateway.disconnect("CP-1")
        assert (await closed(link))[0] == 1001


async def door_next(link: Any) -> list[Any]:
    import msgspec

    return msgspec.json.decode(await link.recv())


async def test_a_lower_profile_than_the_records_is_refused_and_noted(tmp_path: Path) -> None:
    async with tls_rig(tmp_path) as door:
        house = door.house
        password = await house.add_station("two", security_profile=2)
        with pytest.raises(InvalidStatus):
            await house.dial("two", password)
        other = await house.add_station("three", security_profile=3)
        with pytest.raises(InvalidStatus):
            await house.dial("three", other)
        assert await door.status("three", other) == 401
        assert await door.events() == ["tls-required", "tls-required", "certificate-required"]


async def test_a_higher_profile_than_the_records_is_taken(tmp_path: Path) -> None:
    async with tls_rig(tmp_path) as door:
        password = await door.house.add_station("CP-1", security_profile=1)
        link = await door.dial("CP-1", password)
        await link.close()
        await eventually(lambda: not door.house.gateway.connections())
        link = await door.dial("CP-1", None, *door.pki.station("CP-1"))
        assert (await boot(link))[2]["status"] == "Accepted"


async def test_profile_3_is_a_certificate_of_the_station_and_needs_no_password(
    tmp_path: Path,
) -> None:
    async with tls_rig(tmp_path) as door:
        await door.house.add_station("CP-1", security_profile=3)
        link = await door.dial("CP-1", None, *door.pki.station("CP-1"))
        assert (await boot(link))[2]["status"] == "Accepted"
        (row,) = await door.house.rows(sa.select(StationCertificate))
        assert (row.station, row.state, row.request) == ("CP-1", "installed", None)
        assert row.used_at is not None


async def test_the_cn_may_be_the_serial_number_that_the_station_has_told(tmp_path: Path) -> None:
    async with tls_rig(tmp_path) as door:
        await door.house.add_station("CP-1", security_profile=3, serial_number="SN-77")
        link = await door.dial("CP-1", None, *door.pki.station("SN-77"))
        assert (await boot(link))[2]["status"] == "Accepted"


@pytest.mark.parametrize(
    ("made", "event"),
    [
        ({"name": "CP-2"}, "certificate-of-another"),
        ({"name": "CP-1", "organisation": "Acme"}, "certificate-organisation"),
        ({"name": "CP-1", "organisation": None}, "certificate-organisation"),
        ({"name": "CP-1", "begins": -2 * DAY, "ends": -DAY}, "certificate-not-valid"),
        ({"name": "CP-1", "begins": timedelta(hours=1)}, "certificate-not-valid"),
    ],
    ids=["wrong-cn", "wrong-o", "no-o", "expired", "not-yet"],
)
async def test_certificates_that_are_not_good_are_refused_and_noted(
    tmp_path: Path, made: dict[str, Any], event: str
) -> None:
    async with tls_rig(tmp_path) as door:
        await door.house.add_station("CP-1", security_profile=3)
        assert await door.status("CP-1", None, *door.pki.station(**made)) == 401
        assert await door.events() == [event]


async def test_a_certificate_of_an_unknown_authority_ends_its_own_handshake_alone(
    tmp_path: Path,
) -> None:
    async with tls_rig(tmp_path) as door:
        await door.house.add_station("CP-1", security_profile=3)
        await door.house.add_station("CP-2", security_profile=3)
        good = await door.dial("CP-2", None, *door.pki.station("CP-2"))
        stranger = Pki(tmp_path / "elsewhere")
        with pytest.raises(CUT):
            await door.dial("CP-1", None, *stranger.station("CP-1"))
        assert (await boot(good))[2]["status"] == "Accepted"


async def test_a_bad_certificate_beside_a_right_password_does_no_harm_below_profile_3(
    tmp_path: Path,
) -> None:
    async with tls_rig(tmp_path) as door:
        password = await door.house.add_station("CP-1", security_profile=2)
        link = await door.dial("CP-1", password, *door.pki.station("made by its vendor"))
        assert (await boot(link))[2]["status"] == "Accepted"


async def test_a_revoked_certificate_is_refused_and_its_connection_closed(tmp_path: Path) -> None:
    async with tls_rig(tmp_path) as door:
        house = door.house
        await house.add_station("CP-1", security_profile=3)
        own = door.pki.station("CP-1")
        link = await door.dial("CP-1", None, *own)
        await boot(link)
        await house.activity.quiet()
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.execute(
                sa.update(StationCertificate).values(revoked_at=house.clock.now())
            )
        house.gateway.station_changed("CP-1")
        assert (await closed(link))[0] == 1012
        assert await door.status("CP-1", None, *own) == 401
        assert await door.events() == ["certificate-revoked"]


async def test_a_certificate_of_one_station_never_opens_for_another_with_its_serial_number(
    tmp_path: Path,
) -> None:
    async with tls_rig(tmp_path) as door:
        own = door.pki.station("SN-1")
        await door.house.add_station("A", security_profile=3, serial_number="SN-1")
        await door.house.add_station("B", security_profile=3, serial_number="SN-1")
        link = await door.dial("A", None, *own)
        await boot(link)
        assert await door.status("B", None, *own) == 401
        assert await door.events() == ["certificate-of-another"]


async def served(door: TlsRig) -> bytes | None:
    """Returns the certificate that the server shows now."""
    context = plain_context(door.pki)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", door.house.tls_port, ssl=context, server_hostname="127.0.0.1"
    )
    made: ssl.SSLObject = writer.get_extra_info("ssl_object")
    writer.close()
    del reader
    return made.getpeercert(binary_form=True)


async def other_than(before: bytes | None, door: TlsRig) -> None:
    """Returns once the server shows another certificate."""
    async with asyncio.timeout(60):
        while await served(door) == before:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)


async def test_new_files_are_taken_without_touching_connections(tmp_path: Path) -> None:
    limits = Limits(refusal_delay_s=0.1, sweep_s=0.02, close_s=0.3, tls_files_every_s=0.05)
    async with tls_rig(tmp_path, kinds=("ec",), limits=limits) as door:
        password = await door.house.add_station("CP-1", security_profile=2)
        link = await door.dial("CP-1", password)
        before = await served(door)
        door.pki.server("ec")
        await other_than(before, door)
        assert (await boot(link))[2]["status"] == "Accepted"


async def test_files_that_are_no_use_change_nothing_and_good_ones_follow_a_signal(
    tmp_path: Path,
) -> None:
    async with tls_rig(tmp_path, kinds=("ec",)) as door:
        before = await served(door)
        file = door.pki.directory / "server-ec.pem"
        kept = file.read_bytes()
        file.write_bytes(b"half written")
        door.house.gateway.reload_certificates()
        await asyncio.sleep(0.1)
        assert await served(door) == before
        file.write_bytes(kept)
        door.pki.server("ec")
        door.house.gateway.reload_certificates()
        await other_than(before, door)


async def test_plain_text_on_the_tls_port_harms_nobody(tmp_path: Path) -> None:
    async with tls_rig(tmp_path) as door:
        password = await door.house.add_station("CP-1", security_profile=2)
        reader, writer = await asyncio.open_connection("127.0.0.1", door.house.tls_port)
        writer.write(b"GET /ocpp/CP-1 HTTP/1.1\r\n\r\n" + os.urandom(200))
        await reader.read()
        writer.close()
        link = await door.dial("CP-1", password)
        assert (await boot(link))[2]["status"] == "Accepted"
