"""Passwords are rotated and profiles raised by one call each, and nobody is locked out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models.tables.ledger import Command
from models.tables.stations import Station
from tests.builders.tls_house import Box, TlsHouse
from tests.builders.waiting import eventually

VERSIONS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


async def change(door: TlsHouse, state: str) -> dict[str, Any]:
    """Returns the newest change once it stands so."""
    found: list[dict[str, Any]] = []

    async def stands() -> bool:
        found[:] = (await door.house.get("/stations/CP-1/security-changes"))["items"]
        return bool(found) and found[0]["state"] != "running"

    await eventually(stands)
    assert found[0]["state"] == state, found[0]
    return found[0]


async def columns(door: TlsHouse) -> Station:
    await door.house.activity.quiet()
    async with door.house.db.read() as session:
        row = await session.get(Station, "CP-1")
        assert row is not None
        return row


def wishes(door: TlsHouse, box: Box, target: int) -> dict[str, Any]:
    """Returns what raising the profile of a box that trusts nobody yet takes."""
    wanted: dict[str, Any] = {"target": target, "root_certificate": door.pki.ca.read_text()}
    if box.station.kind.subprotocol != "ocpp1.6":
        wanted["csms_url"] = f"wss://127.0.0.1:{door.tls_port}/ocpp"
    return wanted


async def logs_in(door: TlsHouse, password: str) -> bool:
    """Returns whether the door takes a password, of a station that is away."""
    from csms.gateway.memory import HandshakeRefused, basic

    try:
        link = await door.house.gateway.connect_memory("CP-1", ["ocpp1.6"], basic("CP-1", password))
    except HandshakeRefused:
        return False
    await link.close()
    await eventually(lambda: "CP-1" not in door.house.gateway.connections())
    return True


@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_a_password_is_rotated(door_on_both: TlsHouse, subprotocol: str) -> None:
    door = door_on_both
    box = await door.box("CP-1", subprotocol)
    old = await columns(door)
    made = await door.house.post("/stations/CP-1/password/rotate", {}, 202)
    assert (made["kind"], made["state"], made["steps"]) == (
        "password",
        "running",
        ["password", "login"],
    )
    done = await change(door, "done")
    assert (done["step"], done["why"]) == ("login", None)
    assert box.station.variables.new_password == made["password"]
    row = await columns(door)
    assert row.password_hash != old.password_hash
    assert row.next_password_hash is None
    await eventually(lambda: box.line.online)
    async with door.house.db.read() as session:
        bodies = await session.scalars(sa.select(Command.body))
        assert all(made["password"] not in body for body in bodies)
    await box.stop()
    await eventually(lambda: not door.house.gateway.online("CP-1"))
    assert await logs_in(door, made["password"])
    assert box.checks.complaints == []


async def test_a_box_that_refuses_keeps_its_password(door: TlsHouse) -> None:
    box = await door.box("CP-1")
    old = await columns(door)
    box.station.variables.set = lambda name, value: "Rejected"  # type: ignore[method-assign]
    made = await door.house.post("/stations/CP-1/password/rotate", {}, 202)
    failed = await change(door, "failed")
    assert failed["why"] == "password: Rejected"
    row = await columns(door)
    assert (row.password_hash, row.next_password_hash) == (old.password_hash, None)
    await box.stop()
    await eventually(lambda: not door.house.gateway.online("CP-1"))
    assert not await logs_in(door, made["password"])


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not-taken"])
async def test_a_connection_that_is_cut_before_the_answer_locks_nobody_out(
    door: TlsHouse, taken: bool
) -> None:
    box = await door.box("CP-1")
    real = box.station.variables.set

    def cut(name: str, value: str) -> Any:
        if name == "AuthorizationKey":
            if taken:
                real(name, value)
            connection = box.line._voice.link._connection  # type: ignore[union-attr]
            connection.transport.abort()
            return "Accepted"
        return real(name, value)

    box.station.variables.set = cut  # type: ignore[method-assign]
    await door.house.post("/stations/CP-1/password/rotate", {}, 202)
    ended = await change(door, "done" if taken else "failed")
    assert ended["step"] == "login"
    if not taken:
        assert ended["why"] == "it still logs in with its old password"
    await eventually(lambda: box.line.online)
    assert door.house.gateway.online("CP-1")


async def test_a_connection_that_is_cut_after_the_answer_does_no_harm(door: TlsHouse) -> None:
    box = await door.box("CP-1")
    await door.house.post("/stations/CP-1/password/rotate", {}, 202)
    await eventually(lambda: box.station.variables.new_password is not None)
    if box.line._voice is not None:
        box.line._voice.link._connection.transport.abort()  # type: ignore[attr-defined]
    await change(door, "done")
    await eventually(lambda: box.line.online)


async def test_both_passwords_hold_until_the_new_one_was_used(door: TlsHouse) -> None:
    box = await door.box("CP-1")
    old = box.line._password
    assert old is not None
    await box.stop()
    await eventually(lambda: not door.house.gateway.online("CP-1"))
    made = await door.house.post("/stations/CP-1/password/rotate", {}, 202)
    assert await logs_in(door, old)
    assert await logs_in(door, made["password"])
    await change(door, "done")

    async def refused() -> bool:
        return not await logs_in(door, old)

    await eventually(refused)


async def test_one_change_at_a_time_and_it_can_be_given_up(door: TlsHouse) -> None:
    box = await door.box("CP-1")
    await box.stop()
    await eventually(lambda: not door.house.gateway.online("CP-1"))
    await door.house.post("/stations/CP-1/password/rotate", {}, 202)
    again = await door.house.post("/stations/CP-1/password/rotate", {}, 409)
    assert again["code"] == "change-under-way"
    given_up = await door.house.post("/stations/CP-1/security-changes/cancel", None, 200)
    assert (given_up["state"], given_up["why"]) == ("failed", "cancelled")
    none = await door.house.post("/stations/CP-1/security-changes/cancel", None, 409)
    assert none["code"] == "no-change"


@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_a_station_is_led_from_profile_1_over_2_to_3(
    door: TlsHouse, subprotocol: str
) -> None:
    box = await door.box("CP-1", subprotocol)
    is_16 = subprotocol == "ocpp1.6"
    way = ["profile"] if is_16 else ["network", "priority", "restart"]
    made = await door.house.post("/stations/CP-1/security-profile", wishes(door, box, 2), 202)
    assert made["steps"] == ["root", *way, "login"]
    await change(door, "done")
    assert (await columns(door)).security_profile == 2
    await eventually(lambda: box.line.online)
    box.credentials.organisation = "not told yet"
    wanted = wishes(door, box, 3)
    del wanted["root_certificate"]
    made = await door.house.post("/stations/CP-1/security-profile", wanted, 202)
    assert made["steps"] == ["organisation", "certificate", *way, "login"]
    await change(door, "done")
    assert (await columns(door)).security_profile == 3
    await eventually(lambda: box.line.online)
    assert box.credentials.profile == 3
    assert (await door.certificate("CP-1", "in-use"))["issued_here"]
    assert box.checks.complaints == []
    lower = await door.house.post("/stations/CP-1/security-profile", wishes(door, box, 2), 409)
    assert lower["code"] == "profile-not-higher"
    assert (await door.house.post("/stations/CP-1/password/rotate", {}, 409))["code"] == (
        "no-password"
    )


@pytest.mark.parametrize("subprotocol", VERSIONS)
async def test_a_station_is_led_from_profile_1_to_3_at_once(
    door_on_both: TlsHouse, subprotocol: str
) -> None:
    door = door_on_both
    box = await door.box("CP-1", subprotocol)
    await door.house.post("/stations/CP-1/security-profile", wishes(door, box, 3), 202)
    await change(door, "done")
    assert (await columns(door)).security_profile == 3
    await eventually(lambda: box.line.online)


async def test_a_station_that_falls_back_keeps_its_profile(door: TlsHouse, tmp_path: Path) -> None:
    from tests.builders.pki import Pki

    box = await door.box("CP-1")
    wanted = wishes(door, box, 2)
    wanted["root_certificate"] = Pki(tmp_path / "wrong").ca.read_text()
    await door.house.post("/stations/CP-1/security-profile", wanted, 202)
    failed = await change(door, "failed")
    assert failed["why"] == "it came back on security profile 1"
    assert (await columns(door)).security_profile == 1
    await eventually(lambda: box.line.online)


async def test_a_station_that_can_not_is_told_with_the_step(door: TlsHouse) -> None:
    box = await door.box("CP-1")
    box.credentials.directory = None
    await door.house.post("/stations/CP-1/security-profile", wishes(door, box, 3), 202)
    failed = await change(door, "failed")
    assert failed["step"] == "certificate"
    assert "NotImplemented" in failed["why"]


async def test_bad_input_about_changes_is_named(door: TlsHouse) -> None:
    await door.box("CP-1", "ocpp2.0.1")
    address = "/stations/CP-1/security-profile"
    for body, field in (
        ({"target": 1}, "/target"),
        ({"target": 2}, "/csms_url"),
        ({"target": 2, "csms_url": "ws://h/ocpp"}, "/csms_url"),
        ({"target": 2, "csms_url": "wss://h", "root_certificate": "x"}, "/root_certificate"),
    ):
        wrong = await door.house.post(address, body, 422)
        assert wrong["errors"][0]["field"] == field
    wrong = await door.house.post("/stations/CP-1/password/rotate", {"password": "short"}, 422)
    assert wrong["errors"][0]["field"] == "/password"
    await door.house.station("CP-9", "A")
    never = await door.house.post("/stations/CP-9/password/rotate", {}, 409)
    assert never["code"] == "never-connected"
    await asyncio.sleep(0)
