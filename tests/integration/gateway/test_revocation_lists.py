"""What an authority outside has revoked opens no door: by its list, which changes under us."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from csms.certificates import read_revocations
from csms.config import Settings
from csms.gateway.limits import Limits
from csms.gateway.tls import TlsDoor, TlsFiles
from models.clocks import RealWireClock
from models.errors import BadInput
from tests.builders.pki import Pki
from tests.integration.gateway.rig import boot, closed
from tests.integration.gateway.test_tls_transport import TlsRig, tls_rig

WATCHED = Limits(refusal_delay_s=0.1, sweep_s=0.02, close_s=0.3, tls_files_every_s=0.05)


def pki_of(directory: Path) -> Pki:
    """Returns the authority that `tls_rig` is to have, before it has it."""
    return Pki(directory / "lists")


async def comes(door: TlsRig, pki: Pki, identity: str) -> Any:
    link = await door.dial(identity, None, *pki.station(identity))
    assert (await boot(link))[2]["status"] == "Accepted"
    return link


async def test_a_listed_certificate_is_refused_and_noted_and_others_are_not(
    tmp_path: Path,
) -> None:
    pki = pki_of(tmp_path)
    bad, key = pki.station("CP-1")
    options = {"ocpp_tls_client_ca": pki.ca, "ocpp_tls_client_crl": pki.revoke(bad)}
    async with tls_rig(tmp_path, **options) as door:
        await door.house.add_station("CP-1", security_profile=3)
        await door.house.add_station("CP-2", security_profile=3)
        assert await door.status("CP-1", None, bad, key) == 401
        assert await door.events() == ["certificate-revoked"]
        await comes(door, pki, "CP-2")


async def test_a_new_list_ends_the_connections_that_it_names_and_no_other(tmp_path: Path) -> None:
    pki = pki_of(tmp_path)
    options = {"ocpp_tls_client_ca": pki.ca, "ocpp_tls_client_crl": pki.revoke()}
    async with tls_rig(tmp_path, limits=WATCHED, **options) as door:
        for identity in ("CP-1", "CP-2"):
            await door.house.add_station(identity, security_profile=3)
        own = pki.station("CP-1")
        link = await door.dial("CP-1", None, *own)
        await boot(link)
        await comes(door, pki, "CP-2")
        pki.revoke(own[0])
        assert (await closed(link))[0] == 1012
        assert await door.status("CP-1", None, *own) == 401
        assert list(door.house.gateway.connections()) == ["CP-2"]


async def test_a_list_of_no_use_changes_nothing(tmp_path: Path) -> None:
    pki = pki_of(tmp_path)
    bad, key = pki.station("CP-1")
    lists = pki.revoke(bad)
    options = {"ocpp_tls_client_ca": pki.ca, "ocpp_tls_client_crl": lists}
    async with tls_rig(tmp_path, limits=WATCHED, **options) as door:
        await door.house.add_station("CP-1", security_profile=3)
        lists.write_bytes(b"half written")
        door.house.gateway.reload_certificates()
        await asyncio.sleep(0.2)
        assert await door.status("CP-1", None, bad, key) == 401


async def test_a_list_of_no_use_at_the_start_is_named(tmp_path: Path) -> None:
    pki = pki_of(tmp_path)
    certificate, key = pki.server("ec")
    lists = tmp_path / "bad.pem"
    files = TlsFiles((certificate,), (key,), client_ca=pki.ca, client_crl=lists)

    async def nobody() -> None:
        return None

    door = TlsDoor(
        files,
        make_transport=pytest.fail,
        own_authority=nobody,
        on_revocations=pytest.fail,
        limits=WATCHED,
        wire=RealWireClock(),
    )
    forged = Pki(tmp_path / "x").revoke().read_bytes()
    for content in (b"nothing", pki.ca.read_bytes(), forged):
        lists.write_bytes(content)
        with pytest.raises(BadInput, match=r"bad\.pem"):
            await door.open("127.0.0.1", 0)
    lists.unlink()
    with pytest.raises(BadInput, match=r"bad\.pem"):
        await door.open("127.0.0.1", 0)


def test_several_lists_follow_one_another_in_a_file(tmp_path: Path) -> None:
    one, two = Pki(tmp_path / "one", "One"), Pki(tmp_path / "two", "Two")
    made = [each.revoke(each.station("A")[0]) for each in (one, two)]
    lists = b"".join(each.read_bytes() for each in made)
    both = one.ca.read_bytes() + two.ca.read_bytes()
    assert {issuer for issuer, _ in read_revocations(lists, both)} == {"CN=One", "CN=Two"}
    with pytest.raises(BadInput, match="CN=Two is not signed"):
        read_revocations(lists, one.ca.read_bytes())


def test_a_forged_list_is_not_taken(tmp_path: Path) -> None:
    real, forger = Pki(tmp_path / "one", "One"), Pki(tmp_path / "two", "One")
    with pytest.raises(BadInput, match="not signed"):
        read_revocations(forger.revoke().read_bytes(), real.ca.read_bytes())


def test_a_list_without_roots_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs ocpp_tls_client_ca"):
        Settings.model_validate({"ocpp_tls_client_crl": tmp_path / "crl.pem"})
