"""The five minutes of the README, typed as written into one bash: each step keeps its promise.

The blocks of shell between its heading and the next one are run in a temporary folder that has what
a fresh clone has after `make install`. Before the last one, which stops everything, come those of
the tutorial, as it says, and those of the how-tos that go on there. Ports alone are chosen by the
test, through the environment that the README names.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.builders.service import clean_environment

ROOT = Path(__file__).resolve().parents[2]
HEADING = "## Five minutes"
CLONED = ("Makefile", "pyproject.toml", "requirements", ".venv/bin")
MADE = (".venv/.made", ".venv/.runtime")
"""What `make` looks at to see that everything is installed."""
HOW_TOS = (
    "override-a-plan",
    "push-forecasts",
    "offer-sunnier-times",
    "limit-a-site-for-a-while",
    "equip-a-site",
    "try-in-the-shadow",
)
"""They say that they go on where the tour ends."""
ENOUGH_S = 360.0
MARK = "@@ block "


@dataclass(frozen=True)
class Block:
    """What is to be pasted, and the how-to that has it; None: the README or the tutorial."""

    shell: str
    how_to: str | None = None


def blocks() -> list[Block]:
    readme = (ROOT / "README.md").read_text()
    chapter = readme[readme.index(HEADING) :]
    *tour, end = shell_of(chapter[: chapter.index("\n## ", len(HEADING))])
    tutorial = shell_of((ROOT / "docs/tutorials/first-day.md").read_text())
    more = [
        Block(shell, name)
        for name in HOW_TOS
        for shell in shell_of((ROOT / f"docs/how-to/{name}.md").read_text())
    ]
    return [*map(Block, tour), *map(Block, tutorial), *more, Block(end)]


def shell_of(page: str) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass(frozen=True)
class Tour:
    """What each block has printed."""

    outputs: list[str]

    def of(self, part: str) -> str:
        """Returns the output of the one block whose shell has `part` in it."""
        pasted = zip(blocks(), self.outputs, strict=True)
        found = [said for each, said in pasted if each.how_to is None and part in each.shell]
        assert len(found) == 1, f"{len(found)} blocks have {part}"
        return found[0]

    def how_to(self, name: str) -> list[Any]:
        """Returns what the blocks of a how-to have printed, as one JSON document a line."""
        pasted = zip(blocks(), self.outputs, strict=True)
        said = "".join(said for each, said in pasted if each.how_to == name)
        return [msgspec.json.decode(line) for line in said.splitlines() if line.startswith("{")]

    def documents(self, part: str) -> list[Any]:
        """Returns what that block has printed, as one JSON document a line."""
        return [msgspec.json.decode(line) for line in self.of(part).splitlines()]


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tour]:
    folder = tmp_path_factory.mktemp("tour")
    (folder / ".venv").mkdir()
    for name in CLONED:
        (folder / name).symlink_to(ROOT / name)
    for name in MADE:
        (folder / name).touch()
    http_port, ocpp_port = free_ports(2)
    environment = clean_environment(http_port=str(http_port), ocpp_port=str(ocpp_port))
    shell = "".join(f"echo '{MARK}'\n{block.shell}" for block in blocks())
    bash = subprocess.Popen(
        ["bash"],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = bash.communicate(shell, timeout=ENOUGH_S)
    finally:
        # The group is bash's own: whatever it has left running ends with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(bash.pid, signal.SIGKILL)
        bash.wait()
    yield Tour(said.split(f"{MARK}\n")[1:])
    assert "Traceback" not in (folder / "serve.log").read_text()


def test_the_service_is_installed_and_ready(tour: Tour) -> None:
    assert tour.of("make install").splitlines()[-1].endswith("ready")


def test_what_is_created_is_answered_whole(tour: Tour) -> None:
    (site,) = tour.documents("post sites '")
    assert (site["id"], site["import_limit_w"]) == ("depot", 30_000.0)
    model, car, plugged, driver = tour.documents("post drivers")
    assert (model["id"], car["id"], driver["id"]) == ("small", "car-1", "ada")
    assert (plugged["soc_pct"], plugged["plugged_evse"]) == (50.0, "BOX-1/1")


def test_the_simulated_station_is_let_in_with_its_password(tour: Tour) -> None:
    assert tour.of("station simulate").endswith("plugged in, car at 50 %\n")


def test_the_car_can_be_booked(tour: Tour) -> None:
    (booking,) = tour.documents("TRIP='")
    assert (booking["status"], booking["vehicle_id"]) == ("confirmed", "car-1")


def test_a_refusal_brings_a_reason_and_an_alternative_that_is_accepted_as_it_is(
    tour: Tour,
) -> None:
    refusal, booking = tour.documents("REFUSAL=")
    assert (refusal["status"], refusal["code"]) == (409, "no-vehicle")
    assert refusal["reasons"]
    alternative = refusal["alternatives"][0]
    assert booking["status"] == "confirmed"
    assert {name: booking[name] for name in alternative} == alternative


def test_the_charge_starts_by_remote(tour: Tour) -> None:
    forecast, answer, measured = tour.documents("RequestStartTransaction")
    assert forecast["source"] == "pushed"
    assert answer == {"status": "answered", "response": {"status": "Accepted"}}
    assert measured["pv_power_w"] == 5000.0


def test_the_plan_says_when_the_car_charges_and_why(tour: Tour) -> None:
    charging = tour.documents("plans/current")
    assert charging
    assert all(each["vehicle"] == "car-1" and each["reasons"] for each in charging)
    assert charging[0]["from_step"] == 0
    assert charging[0]["reasons"] == ["SUN"]


def test_the_transaction_shows_meter_values_and_its_share_of_sun(tour: Tour) -> None:
    values, transaction = tour.documents("meter-values")
    registers = [each["energy_wh"] for each in values["items"]]
    assert len(registers) >= 2
    assert registers == sorted(registers)
    assert registers[-1] > registers[0]
    assert transaction["vehicle_id"] == "car-1"
    assert transaction["stopped_at"] is None
    assert transaction["energy_wh"] >= registers[-1] - registers[0]
    assert 0 < transaction["solar_wh"] <= transaction["energy_wh"]


def test_the_events_tell_all_that_became_true(tour: Tour) -> None:
    counts = {line.split()[-1]: int(line.split()[0]) for line in tour.of("/events").splitlines()}
    for once in ("site.created", "station.booted", "driver.created", "transaction.started"):
        assert counts[once] == 1
    assert counts["booking.confirmed"] >= 2
    assert counts["plan.published"] >= 1
    assert counts["transaction.updated"] >= 2


def test_the_limits_of_the_plan_and_what_was_said_are_shown(tour: Tour) -> None:
    (limits,) = tour.documents("limits?station")
    assert limits["items"][0]["periods"][0]["reasons"] == ["SUN"]
    (messages,) = tour.documents("messages?action=SetChargingProfile")
    assert messages["items"][0]["answer"] == {"status": "Accepted"}


def test_a_limit_by_hand_is_obeyed(tour: Tour) -> None:
    answer, line = tour.of('"id": 99').splitlines()
    assert msgspec.json.decode(answer)["response"] == {"status": "Accepted"}
    assert "charging at 2000 W (limit 2000 W)" in line


def test_what_is_wrong_is_named(tour: Tour) -> None:
    (problem,) = tour.documents("colour")
    assert problem["status"] == 422
    assert {error["field"] for error in problem["errors"]} == {"/soc_pct", "/colour"}


def test_bookings_are_called_off(tour: Tour) -> None:
    cancelled = tour.documents("/cancel")
    assert [booking["status"] for booking in cancelled] == ["cancelled", "cancelled"]


def test_the_station_tells_what_it_did(tour: Tour) -> None:
    told = [line.split(" ", 1)[1] for line in tour.of("kill $BOX").splitlines()]
    assert told[:4] == [
        "connected, ocpp2.0.1",
        "booted: Accepted",
        "plugged in, car at 50 %",
        "transaction begun",
    ]
    assert any(line.startswith("charging at 3700 W") for line in told)
    assert told[-2:] == ["transaction ended", "unplugged"]


@pytest.mark.parametrize("name", HOW_TOS)
def test_nothing_that_a_how_to_says_is_refused(tour: Tour, name: str) -> None:
    told = tour.how_to(name)
    assert told
    assert [each for each in told if "urn:heliofleet:problem" in str(each.get("type"))] == []


def test_how_tos_come_to_what_they_say(tour: Tour) -> None:
    *_, override, over = tour.how_to("override-a-plan")
    assert (override["kind"], override["plan_id"] is None) == ("at_most", False)
    assert over["items"] == []
    quote = tour.how_to("offer-sunnier-times")[-1]
    assert quote["sunshine_offers"][0]["solar_wh"] > 0
    *_, active, ended = tour.how_to("limit-a-site-for-a-while")
    assert active["items"][0]["limit_w"] == 4200
    assert ended["items"][0]["ended_why"] == "withdrawn"
    *_, battery, _, _, boiler = tour.how_to("equip-a-site")
    assert {len(each["periods"]) > 10 for each in (battery, boiler)} == {True}
    shadowed, report, yesterday, commanding = tour.how_to("try-in-the-shadow")
    assert (shadowed["shadow"], report["shadow"], commanding["shadow"]) == (True, True, False)
    assert yesterday["measured_steps"] == 0
