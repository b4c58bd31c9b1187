"""Who comes in, how versions are chosen, and what strangers get: through real sockets."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from websockets.exceptions import InvalidStatus

from csms.gateway.limits import Limits
from csms.gateway.memory import HandshakeRefused, LinkClosed, basic
from csms.gateway.records import StationRecords
from models.clocks import Activity, SteppedClock
from models.tables.stations import SecurityEvent, Station
from models.timeline import parse_rfc3339
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import QUICK, answer, boot, call, closed, rig

ALL = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")


async def refused(dialling: Any) -> int:
    with pytest.raises(InvalidStatus) as failure:
        await dialling
    return failure.value.response.status_code


@pytest.mark.parametrize(
    ("offered", "allowed", "chosen"),
    [
        (("ocpp1.6",), None, "ocpp1.6"),
        (("ocpp1.6", "ocpp2.0.1"), None, "ocpp2.0.1"),
        (("ocpp2.0.1", "ocpp2.1", "ocpp1.6"), None, "ocpp2.1"),
        (ALL, ["ocpp1.6"], "ocpp1.6"),
        (ALL, ["ocpp1.6", "ocpp2.0.1"], "ocpp2.0.1"),
        (("ocpp9.9", "ocpp1.6"), None, "ocpp1.6"),
    ],
)
async def test_the_newest_version_that_both_sides_allow_is_chosen(
    tmp_path: Path, offered: tuple[str, ...], allowed: list[str] | None, chosen: str
) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1", ocpp_versions=allowed)
        link = await house.dial("CP-1", password, offered)
        assert link.subprotocol == chosen
        assert (await boot(link))[2]["status"] == "Accepted"


@pytest.mark.parametrize("offered", [(), ("ocpp9.9",), ("mqtt", "soap")])
async def test_without_a_common_version_the_handshake_completes_and_1002_follows(
    tmp_path: Path, offered: tuple[str, ...]
) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password, offered)
        assert link.subprotocol is None
        assert (await closed(link))[0] == 1002


async def test_a_version_that_the_record_forbids_is_no_common_version(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1", ocpp_versions=["ocpp2.0.1"])
        assert (await closed(await house.dial("CP-1", password, ("ocpp1.6",))))[0] == 1002


@pytest.mark.parametrize("offered", [(), ("ocpp9.9",)])
async def test_the_quirk_no_subprotocol_takes_a_mute_station_as_1_6(
    tmp_path: Path, offered: tuple[str, ...]
) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1", quirks=["no-subprotocol"])
        link = await house.dial("CP-1", password, offered)
        assert link.subprotocol is None
        assert (await boot(link))[2]["status"] == "Accepted"
        assert (await house.station("CP-1")).ocpp_version == "ocpp1.6"


@pytest.mark.parametrize(
    ("identity", "path"),
    [
        ("CP-1", "/ocpp/CP-1"),
        ("CP-1", "/CP-1"),
        ("CP-1", "/a/b/c/CP-1?x=1"),
        ("Säule 7/a", "/ocpp/S%C3%A4ule%207%2Fa"),
        ("RDAM|123", "/ocpp/RDAM%7C123"),
        ("with:colon", "/ocpp/with:colon"),
    ],
)
async def test_the_identity_is_the_last_segment_of_the_path_decoded(
    tmp_path: Path, identity: str, path: str
) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station(identity)
        link = await house.dial(identity, password, path=path)
        assert (await boot(link))[2]["status"] == "Accepted"
        assert (await house.station(identity)).online


@pytest.mark.parametrize(
    "path", ["/", "/ocpp/", "/ocpp/%FF%FE", "/ocpp/a%00b", "/ocpp/" + "x" * 49]
)
async def test_a_path_without_a_usable_identity_is_not_found(tmp_path: Path, path: str) -> None:
    async with rig(tmp_path, onboarding="accept") as house:
        assert await refused(house.dial("x", path=path)) == 404


async def test_unknown_identity_and_wrong_credentials_are_refused_alike(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        await house.add_station("CP-1")
        other = await house.add_station("CP-2")

        async def timed(*arguments: Any, **options: Any) -> tuple[int, str, float]:
            started = time.monotonic()
            with pytest.raises(InvalidStatus) as failure:
                await house.dial(*arguments, **options)
            response = failure.value.response
            del response.headers["Date"]
            return response.status_code, str(response.headers), time.monotonic() - started

        async def quickest(*arguments: Any, **options: Any) -> tuple[int, str, float]:
            return min([await timed(*arguments, **options) for _ in range(3)], key=itemgetter(2))

        tries = [
            await quickest("nobody", "some password 1234"),
            await quickest("nobody"),
            await quickest("CP-1"),
            await quickest("CP-1", "wrong password 12"),
            await quickest("CP-1", other),
            await quickest("CP-1", other, user="CP-2"),
            await quickest("CP-1", other, user="nobody"),
        ]
        assert {status for status, _, _ in tries} == {401}
        assert len({headers for _, headers, _ in tries}) == 1
        delays = [delay for _, _, delay in tries]
        assert min(delays) >= QUICK.refusal_delay_s * 0.99
        assert max(delays) < QUICK.refusal_delay_s + 0.15


async def test_strict_unknown_identity_gives_the_404_of_the_specification(tmp_path: Path) -> None:
    async with rig(tmp_path, strict_unknown_identity=True) as house:
        await house.add_station("CP-1")
        assert await refused(house.dial("nobody", "some password 1234")) == 404
        assert await refused(house.dial("CP-1", "some password 1234")) == 401


async def test_profile_0_needs_no_password_and_only_by_the_stations_record(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        await house.add_station("open", security_profile=0, password_hash=None)
        assert (await boot(await house.dial("open")))[2]["status"] == "Accepted"
        await house.add_station("closed")
        assert await refused(house.dial("closed")) == 401


@pytest.mark.parametrize("profile", [2, 3])
async def test_profiles_that_need_tls_are_refused_on_a_door_without_it(
    tmp_path: Path, profile: int
) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1", security_profile=profile)
        assert await refused(house.dial("CP-1", password)) == 401
        (event,) = await house.rows(sa.select(SecurityEvent))
        assert (event.type, event.source) == ("tls-required", "gateway")


async def test_a_chosen_password_works_and_costs_argon2_only_once(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        seal = await house.keyring.seal_chosen("CP-1", "correct horse battery")
        assert seal.startswith("$argon2id$")
        await house.add_station("CP-1", password_hash=seal)
        assert await refused(house.dial("CP-1", "correct horse batterY")) == 401
        link = await house.dial("CP-1", "correct horse battery")
        await link.close()
        assert house.keyring.verify_fast("CP-1", b"correct horse battery", seal)
        assert not house.keyring.verify_fast("CP-1", b"something else entirely", seal)


@pytest.mark.parametrize("as_bytes", [False, True])
async def test_a_1_6_password_may_come_in_hexadecimal_or_as_its_bytes(
    tmp_path: Path, as_bytes: bool
) -> None:
    async with rig(tmp_path) as house:
        secret = bytes(range(0x41, 0x41 + 20))
        stored = secret.hex().upper()
        await house.add_station("CP-1", password_hash=house.keyring.seal_generated("CP-1", stored))
        sent = secret.decode() if as_bytes else stored.lower()
        link = await house.dial("CP-1", sent, ("ocpp1.6",))
        assert (await boot(link))[2]["status"] == "Accepted"


async def test_trying_passwords_never_locks_the_real_station_out(tmp_path: Path) -> None:
    limits = Limits(refusal_delay_s=0.01, slow_checks_per_minute=2, sweep_s=0.02)
    async with rig(tmp_path, limits=limits) as house:
        generated = await house.add_station("generated")
        seal = await house.keyring.seal_chosen("chosen", "correct horse battery")
        await house.add_station("chosen", password_hash=seal)
        await (await house.dial("chosen", "correct horse battery")).close()
        for identity in ("generated", "chosen"):
            for n in range(8):
                assert await refused(house.dial(identity, f"wrong password {n:4}")) == 401
        await (await house.dial("generated", generated)).close()
        await (await house.dial("chosen", "correct horse battery")).close()


async def test_refused_logins_are_security_events_and_not_too_many_of_them(tmp_path: Path) -> None:
    limits = Limits(refusal_delay_s=0.01, sweep_s=0.02)
    async with rig(tmp_path, limits=limits) as house:
        await house.add_station("CP-1")
        for n in range(30):
            await refused(house.dial("CP-1", f"wrong password {n:4}"))
        events = await house.rows(sa.select(SecurityEvent))
        assert 5 <= len(events) <= 15
        assert {(e.station, e.type, e.source) for e in events} == {
            ("CP-1", "wrong-credentials", "gateway")
        }


async def test_a_stranger_waits_for_approval_and_nothing_else_of_it_is_stored(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path, onboarding="pending") as house:
        link = await house.dial("new", "whatever it says 1", ())
        reply = await boot(link)
        assert reply[2]["status"] == "Pending"
        assert reply[2]["interval"] == 10
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        await call(link, "StatusNotification", status)
        station = await house.station("new")
        assert (station.approval, station.vendor, station.model) == ("pending", "Acme", "One")
        assert await house.messages("new") == []
        assert not house.gateway.online("new")


async def test_a_pending_2_x_station_may_do_nothing_but_boot(tmp_path: Path) -> None:
    async with rig(tmp_path, onboarding="pending") as house:
        link = await house.dial("new", None, ("ocpp2.0.1",))
        reply = await call(link, "Heartbeat", {})
        assert reply[:3] == [4, "m1", "SecurityError"]
        assert (await boot(link))[2]["status"] == "Pending"
        assert (await call(link, "Heartbeat", {}))[2] == "SecurityError"


async def test_approval_ends_the_strangers_connection_and_asks_for_the_new_password(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path, onboarding="pending") as house:
        link = await house.dial("new", None)
        await boot(link)
        password = house.keyring.new_password()
        await house.change_station(
            "new",
            approval="accepted",
            security_profile=1,
            password_hash=house.keyring.seal_generated("new", password),
        )
        assert (await closed(link))[0] == 1012
        assert await refused(house.dial("new", None)) == 401
        again = await house.dial("new", password)
        assert (await boot(again))[2]["status"] == "Accepted"
        assert house.gateway.online("new")


async def test_a_rejected_station_is_told_so_at_its_boot(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        await house.add_station("CP-1", approval="rejected", security_profile=0)
        assert (await boot(await house.dial("CP-1")))[2]["status"] == "Rejected"


async def test_strangers_are_limited_in_number_and_per_address(tmp_path: Path) -> None:
    limits = Limits(refusal_delay_s=0.01, pending_stations=3, pending_per_address=2, sweep_s=0.02)
    async with rig(tmp_path, onboarding="pending", limits=limits) as house:
        links = [await house.dial(f"new-{n}") for n in range(2)]
        assert await refused(house.dial("new-2")) == 401
        first = await house.gateway.connect_memory("new-3", ["ocpp1.6"], None)
        with pytest.raises(HandshakeRefused):
            await house.gateway.connect_memory("new-4", ["ocpp1.6"], None)
        await first.close()
        for link in links:
            await link.close()
        assert len(await house.rows(sa.select(Station))) == 3


def no_write(*_: Any, **__: Any) -> Any:
    raise AssertionError("whoever finds no room costs the database nothing")


async def test_of_many_strangers_at_once_no_more_wait_than_may(tmp_path: Path) -> None:
    async with rig(tmp_path, onboarding="pending", limits=Limits(refusal_delay_s=0.1)) as house:
        dialled = (house.dial(f"STRANGER-{n}") for n in range(60))
        answers = await asyncio.gather(*dialled, return_exceptions=True)
        turned_away = [each for each in answers if isinstance(each, InvalidStatus)]
        assert len(turned_away) == 60 - Limits().pending_per_address
        stations = await house.rows(sa.select(Station))
        assert [each.approval for each in stations] == ["pending"] * Limits().pending_per_address
        house.gateway._onboarding._create = no_write
        assert await refused(house.dial("ONE-MORE")) == 401


async def test_hundreds_may_be_taken_in_at_once(tmp_path: Path) -> None:
    async with rig(tmp_path, onboarding="accept") as house:
        dialled = (house.dial(f"NEW-{n}") for n in range(300))
        links: list[Any] = await asyncio.gather(*dialled)
        boots = await asyncio.gather(*(boot(link) for link in links))
        assert {each[2]["status"] for each in boots} == {"Accepted"}


async def test_strangers_are_forgotten_after_a_day_unless_they_are_connected(
    tmp_path: Path,
) -> None:
    activity = Activity()
    start = parse_rfc3339("2026-06-01T00:00:00Z")
    clock = SteppedClock(start, activity)
    async with rig(tmp_path, onboarding="pending", clock=clock, activity=activity) as house:
        gone = await house.dial("gone")
        await house.dial("stays")
        await boot(gone)
        await gone.close()
        await eventually(lambda: "gone" not in house.gateway.connections())
        await clock.advance_to(start + timedelta(hours=23))
        assert len(await house.rows(sa.select(Station))) == 2
        await clock.advance_to(start + timedelta(hours=26))
        assert [s.identity for s in await house.rows(sa.select(Station))] == ["stays"]


async def test_onboarding_accept_takes_anybody_in_at_once(tmp_path: Path) -> None:
    async with rig(tmp_path, onboarding="accept") as house:
        link = await house.dial("new", None, ("ocpp2.1",))
        assert (await boot(link))[2]["status"] == "Accepted"
        station = await house.station("new")
        assert (station.approval, station.security_profile) == ("accepted", 0)
        assert station.tenant_id == "default"


async def test_a_station_created_by_another_process_is_found_at_its_first_knock(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        now, password = house.clock.now(), house.keyring.new_password()
        async with house.db.write(house.clock, house.ids) as work:
            work.session.add(
                Station(
                    identity="CP-9",
                    password_hash=house.keyring.seal_generated("CP-9", password),
                    created_at=now,
                    updated_at=now,
                )
            )
        assert (await boot(await house.dial("CP-9", password)))[2]["status"] == "Accepted"


async def test_a_deleted_station_is_disconnected_and_unknown(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password)
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.execute(sa.delete(Station))
        house.gateway.station_changed("CP-1")
        assert (await closed(link))[0] == 1012
        assert await refused(house.dial("CP-1", password)) == 401


async def test_a_station_that_another_service_has_deleted_is_not_let_in_when_that_one_goes(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        words = {name: await house.add_station(name) for name in ("CP-1", "CP-2")}
        await house.gateway.neighbours(some=True)
        async with house.db.write(house.clock, house.ids) as work:
            await work.session.execute(sa.delete(Station).where(Station.identity == "CP-1"))
        await house.gateway.neighbours(some=False)
        assert await refused(house.dial("CP-1", words["CP-1"])) == 401
        assert (await boot(await house.dial("CP-2", words["CP-2"])))[2]["status"] == "Accepted"


async def test_a_station_that_is_deleted_here_while_all_are_read_stays_so(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        await house.add_station("CP-1")
        records = StationRecords(house.db)
        await records.load()
        reading = asyncio.create_task(records.reload())
        await asyncio.sleep(0)
        records.forget("CP-1")
        await reading
        assert records.known("CP-1") is None


async def test_an_operator_can_disconnect_a_station(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password)
        assert await house.gateway.disconnect("CP-1")
        assert (await closed(link))[0] == 1001
        assert not await house.gateway.disconnect("CP-1")
        assert not (await house.station("CP-1")).online


async def test_a_station_in_memory_passes_the_same_door(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP 1")
        with pytest.raises(HandshakeRefused):
            await house.gateway.connect_memory("CP 1", ["ocpp1.6"], basic("CP 1", "no"))
        link = await house.gateway.connect_memory("CP 1", ALL, basic("CP 1", password))
        assert link.subprotocol == "ocpp2.1"
        assert (await boot(link))[2]["status"] == "Accepted"
        await link.close()
        with pytest.raises(LinkClosed):
            await link.send("[]")


async def test_epochs_grow_and_presence_is_kept_over_connections_and_restarts(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        for epoch in (1, 2):
            link = await house.dial("CP-1", password)
            station = await house.station("CP-1")
            assert (station.online, station.epoch) == (True, epoch)
            await link.close()
            await eventually(lambda: not house.gateway.connections())
            assert not (await house.station("CP-1")).online
        link = await house.dial("CP-1", password)
    async with rig(tmp_path) as house:
        assert not (await house.station("CP-1")).online
        await house.dial("CP-1", password)
        assert (await house.station("CP-1")).epoch == 4


async def test_last_seen_is_flushed_for_messages_that_are_not_stored(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        password = await house.add_station("CP-1")
        link = await house.dial("CP-1", password)
        await boot(link)
        await asyncio.sleep(0.2)
        before = (await house.station("CP-1")).last_seen
        await asyncio.sleep(0.05)
        sent_at = house.clock.now()
        await link.send(msgspec.json.encode([2, "hb", "Heartbeat", {}]).decode())
        while (await answer(link))[1] != "hb":
            pass
        async with asyncio.timeout(60):
            while (await house.station("CP-1")).last_seen < sent_at:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert before is not None
        assert before < sent_at
