"""What if: asked over REST, played by a process of its own, read by a town councillor."""

from __future__ import annotations

import html
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.builders.renovating import CHANGES, block
from tests.builders.service import HELIOFLEET, Service, clean_environment, running_service

APRIL = "2026-04-15"
WAIT_S = 600
"""A day takes seconds; a machine may be busy."""


def wish(**fields: Any) -> dict[str, Any]:
    """A day of the block without plans, which take most of the time."""
    asked = {"scenario": block(), "days": 1, "start": APRIL, "planner": "uncontrolled"}
    return asked | {"changes": CHANGES} | fields


def ask(service: Service, **fields: Any) -> str:
    answer = service.api.post("/api/v1/simulations", json=wish(**fields))
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert answer.headers["Location"] == f"/api/v1/simulations/{told['id']}"
    assert (told["state"], told["progress"], told["figures"]) == ("queued", 0.0, None)
    return told["id"]


def seen(service: Service, simulation: str, true: Callable[[Any], object]) -> Any:
    """Waits until something is true of a simulation, and returns it as it is then."""
    deadline = time.monotonic() + WAIT_S
    while not true(told := service.get(f"/simulations/{simulation}")):
        assert told["state"] in {"queued", "running"}, told
        assert time.monotonic() < deadline, told
        time.sleep(0.2)
    return told


def cancel(service: Service, simulation: str) -> None:
    told = service.post(f"/simulations/{simulation}/cancel", {}, 200)
    assert told["state"] == "cancelled"


@pytest.fixture(autouse=True)
def mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Processes of this test are known by the folder that they work in."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def players(folder: Path) -> list[int]:
    """Returns the processes that play a simulation of this test."""
    found: list[int] = []
    for process in Path("/proc").iterdir():
        try:
            line = (process / "cmdline").read_text(errors="replace")
        except OSError:  # it is none, or has ended meanwhile
            continue
        if f"{folder}/heliofleet-simulation-" in line:
            found.append(int(process.name))
    return found


def replayed(folder: Path, **fields: Any) -> subprocess.Popen[bytes]:
    """Begins the same by the command line."""
    asked = wish(**fields)
    for name in ("scenario", "changes"):
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(asked[name]))
    told = ("--days", "1", "--start", APRIL, "--planner", asked["planner"])
    files = ("scenario.json", "--what-if", "changes.json", "--out", "out", "--json")
    told = (*told, "--language", "fr")
    return subprocess.Popen(
        [*HELIOFLEET, "replay", *files, *told],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_a_renovated_building_is_judged_before_it_is_renovated(tmp_path: Path) -> None:
    played = replayed(tmp_path)
    with running_service(tmp_path) as service:
        lost, stopped = ask(service, days=31), ask(service, days=31)
        unplayed = ask(service)
        begun = seen(service, lost, lambda told: told["progress"] > 0)
        assert begun["state"] == "running"
        assert service.get(f"/simulations/{stopped}")["state"] == "queued", "one at a time"
        cancel(service, unplayed)
    assert players(tmp_path) == [], "they end with the service"
    with running_service(tmp_path) as service:
        told = service.get(f"/simulations/{lost}")
        assert (told["state"], told["why"]) == ("failed", "the service was restarted")
        asked = ask(service)
        seen(service, stopped, lambda told: told["state"] == "running" and players(tmp_path))
        cancel(service, stopped)
        seen(service, asked, lambda told: told["state"] == "running" and players(tmp_path))
        assert len(players(tmp_path)) == 1, "who is cancelled plays no longer"
        told = seen(service, asked, lambda told: told["state"] == "done")
        listed = service.get("/simulations")["items"]
        assert [each["id"] for each in listed] == [asked, unplayed, stopped, lost]
        page = service.api.get(f"/api/v1/simulations/{asked}/report")
        french = service.api.get(
            f"/api/v1/simulations/{asked}/report", headers={"Accept-Language": "fr-FR, en;q=0.3"}
        )
        again = service.api.post(f"/api/v1/simulations/{asked}/cancel", json={})
    assert told["progress"] == 1.0
    assert (again.status_code, again.json()["code"]) == (409, "simulation-over")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    printed, _ = played.communicate(timeout=WAIT_S)
    assert printed == (tmp_path / "out" / "comparison.json").read_bytes()
    assert msgspec.json.decode(printed) == told["figures"], "the same seed, the same answer"
    assert french.headers["content-language"] == "fr"
    assert french.text == (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "Combien cela coûte-t-il, ou fait-il gagner" in french.text
    a_councillor_reads(told["figures"], page.text)


def a_councillor_reads(figures: Any, page: str) -> None:
    """The page says in words and units what the figures are, and they are those of physics."""
    today, other = (figures[side]["figures"] for side in ("today", "changed"))
    assert today["heat_pump_kwh"] == other["fuel_kwh"] == today["sun_to_batteries_kwh"] == 0
    assert today["fuel_kwh"] > 1000
    assert 0.4 < other["heat_kwh"] / today["heat_kwh"] < 0.9
    assert 2 < other["heat_kwh"] / other["heat_pump_kwh"] < 5
    assert other["sun_to_batteries_kwh"] > 50
    assert other["sun_used_share"] > today["sun_used_share"] + 0.1
    assert today["sun_kwh"] == other["sun_kwh"]
    assert today["wishes"] == other["wishes"]
    balance = figures["difference"]["figures"]
    assert balance["cost"] == pytest.approx(other["cost"] - today["cost"], abs=1e-5)
    assert figures["difference"]["report"]["bookings"]["requested"] == 0
    text = html.unescape(
        re.sub(r"<svg.*?</svg>|<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    )
    assert figures["headline"] in text
    assert figures["headline"].startswith("Ydéal, renovated: in 1 day energy costs ")
    assert "Ydéal is heated by a heat pump, with water of 45 °C." in text
    for words in ("EUR", "kWh", "kg", "kW", "today", "changed", "difference", "by the plan"):
        assert words in text
    for code in ("policy", "soc", "_", "null", "None", "nan"):
        assert code not in text.replace("comparison.json", "")
    assert page.count("<ul class=bars>") == 1


@pytest.mark.soak
@pytest.mark.parametrize("start", ["2026-01-12", "2026-04-13"])
def test_a_week_of_the_whole_block_with_plans(tmp_path: Path, start: str) -> None:
    with running_service(tmp_path) as service:
        asked = {"scenario": "ydeal", "days": 7, "start": start, "planner": "plan"}
        simulation = ask(service, **asked)
        told = seen(service, simulation, lambda told: told["state"] == "done")
    figures = told["figures"]
    assert figures["difference"]["figures"]["cost"] < 0
    assert figures["changed"]["report"]["bookings"]["avoidable_misses"] == 0
