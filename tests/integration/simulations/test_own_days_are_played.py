"""Days of the tenant's own, played by a process, and the same from a file by the command line."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from csms import cli
from csms.simulations.reactions import Simulator
from models.clocks import RealWireClock
from models.errors import BadInput
from models.tables.simulations import Simulation
from tests.builders.own_days import days_behind, equip, span
from tests.builders.rest_house import RestHouse, rest_house
from tests.builders.service import HELIOFLEET, clean_environment

CHANGES: dict[str, Any] = {
    "title": "Twice the roof",
    "pv": [{"site": "A", "factor": 2}],
    "buildings": [{"site": "A", "load_factor": 0.5}],
    "prices": {"import_factor": 2},
}
WISH: dict[str, Any] = {"history": span(), "changes": CHANGES, "planner": "uncontrolled"}
WAIT_S = 600


def run(folder: Path, *arguments: str, code: int = 0, **environment: str) -> str:
    """Runs a command to its end; returns what it printed, or what it complained of."""
    done = subprocess.run(
        [*HELIOFLEET, *arguments],
        cwd=folder,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


async def ended(house: RestHouse, simulation: str) -> Any:
    deadline = time.monotonic() + WAIT_S
    while (told := await house.get(f"/simulations/{simulation}"))["state"] in {"queued", "running"}:
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.1)
    return told


def export(folder: Path, url: str, *arguments: str, code: int = 0) -> str:
    """Writes the day into `days.json`, or fails to."""
    days = span()
    given = ("--from", days["from"], "--to", days["to"], *arguments)
    told = {"HELIOFLEET_DATABASE_URL": url}
    return run(folder, "history", "export", "days.json", *given, code=code, **told)


async def test_a_day_is_played_as_it_was_and_with_changes(sqlite_url: str, tmp_path: Path) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await days_behind(house)
        asked = await house.post("/simulations", WISH, 202)
        stopped = await house.post("/simulations", WISH, 202)
        simulator = Simulator(
            db=house.db, clock=house.clock, ids=house.services.ids, wire=RealWireClock()
        )
        await simulator.start()
        await house.post(f"/simulations/{stopped['id']}/cancel", {}, 200)
        told = await ended(house, asked["id"])
        page = await house.http.get(f"/api/v1/simulations/{asked['id']}/report")
        assert (await ended(house, stopped["id"]))["state"] == "cancelled"
        await simulator.stop()
        async with house.db.read() as session:
            query = sa.select(Simulation.document).where(Simulation.id == asked["id"])
            document = await session.scalar(query)
    assert (told["state"], told["progress"]) == ("done", 1.0), told
    figures = told["figures"]
    today, changed = (figures[side]["figures"] for side in ("today", "changed"))
    assert today["sun_kwh"] > 40, "as measured"
    assert abs(changed["sun_kwh"] - 2 * today["sun_kwh"]) < 0.001
    assert abs(changed["buildings_kwh"] - today["buildings_kwh"] / 2) < 0.001
    assert (today["wishes"], today["bookings_served"]) == (5, 3)
    assert figures["history"]["counts"] == told["history"]["counts"]
    for words in ("What was taken from history", "as much more as was measured", "of 2 people"):
        assert words in page.text
    said = export(tmp_path, sqlite_url)
    assert said.splitlines()[0] == "days.json"
    assert all(f"  {line}\n" in said for line in told["history"]["assumed"])
    written = (tmp_path / "days.json").read_bytes()
    assert msgspec.json.decode(written) == document, "the file and the simulation are the same"
    replayed = run(tmp_path, "replay", "days.json", "--days", "2", code=2)
    assert replayed == "heliofleet: days: the history has 1 days, 2 are asked for\n"


@pytest.mark.soak
async def test_a_replay_of_the_file_has_the_same_bytes(sqlite_url: str, tmp_path: Path) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await days_behind(house)
    export(tmp_path, sqlite_url)
    (tmp_path / "changes.json").write_bytes(msgspec.json.encode(CHANGES))
    what_if = ("--what-if", "changes.json", "--planner", "plan", "--json")
    first, second = (
        run(tmp_path, "replay", "days.json", *what_if, "--out", name) for name in ("one", "two")
    )
    assert first == second
    for side in ("today", "changed"):
        assert msgspec.json.decode(first)[side]["report"]["plans"]


async def test_what_can_not_be_written_is_told_in_a_line(sqlite_url: str, tmp_path: Path) -> None:
    async with rest_house(sqlite_url, stepped=True) as house:
        await equip(house)
    said = export(tmp_path, sqlite_url, code=2)
    assert said.startswith("heliofleet: /history: nothing was measured or booked from 2026-06-12")
    assert not (tmp_path / "days.json").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("days.toml", "x", "y"), "FILE: days.toml does not end in .json"),
        (("days.json", "soon", "y"), "--from: soon is no instant; RFC 3339 is, as 2026-"),
        (("days.json", "2026-06-12T22:00:00Z", "2026-06-13"), "--to: 2026-06-13 is no instant"),
        (("days.json", "2026-06-12T22:01:00Z", "2026-06-13T22:01:00Z"), "--from: does not lie on"),
        (("days.json", "2026-06-12T22:00:00Z", "2026-06-13T23:00:00Z"), "--to: makes 25 hours; a"),
        (("days.json", "2026-06-12T22:00:00Z", "2099-06-13T22:00:00Z"), "--to: lies in the futur"),
    ],
)
def test_what_days_are_asked_for_is_read_closely(
    arguments: tuple[str, str, str], line: str
) -> None:
    file, begins, ends = arguments
    with pytest.raises(BadInput) as refused:
        cli.run(["history", "export", file, "--from", begins, "--to", ends])
    assert refused.value.detail.startswith(line)
