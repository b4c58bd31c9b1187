"""`heliofleet simulate` against a real service over real sockets, on both kinds of clock."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.clocks import RealClock
from tests.builders.service import HELIOFLEET, KEY, Service, clean_environment, running_service

CORNER = Path(__file__).parents[1] / "fixtures" / "scenarios" / "corner.toml"
MIDNIGHT = "2026-06-15T22:00:00Z"


def begin(service: Service, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    where = ("--api-url", service.http_url, "--ocpp-url", service.ocpp_url, "--api-key", KEY)
    return subprocess.Popen(
        [*HELIOFLEET, "simulate", str(CORNER), *where, "--out", str(folder / "out"), *arguments],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def report(folder: Path) -> dict[str, Any]:
    return msgspec.json.decode((folder / "report.json").read_bytes())


def test_a_stepped_service_comes_to_what_a_replay_comes_to(tmp_path: Path) -> None:
    replay = subprocess.Popen(
        [*HELIOFLEET, "replay", str(CORNER), "--language", "de", "--out", str(tmp_path / "replay")],
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
    )
    with running_service(tmp_path, "--clock", "simulated", "--start", MIDNIGHT) as service:
        played = begin(service, tmp_path, "--language", "fr")
        _, said = played.communicate(timeout=600)
        assert played.returncode == 0, said
        assert service.get("/clock")["now"] == "2026-06-16T22:00:00Z"
    assert replay.wait(600) == 0
    here, there = report(tmp_path / "out"), report(tmp_path / "replay")
    assert here["complaints"] == []
    assert here["bookings"] == there["bookings"]
    assert here["bookings"]["served"] >= 8
    assert here["circuits"]["over_limit_beyond_reaction_minutes"] == 0
    # Which of two answers comes first may differ over sockets: not what the day comes to.
    for figure in ("energy_cost", "energy_to_cars_wh", "pv_to_cars_utilisation"):
        did, should = (told["policies"]["plan"][figure] for told in (here, there))
        assert did == pytest.approx(should, rel=0.05), figure
    for folder, title, why in (("out", "à partir du", "Un plan"), ("replay", "ab dem", "Ein Plan")):
        page = (tmp_path / folder / "report.html").read_text(encoding="utf-8")
        assert title in page
        assert f"{why}, " in page, "the reasons that the service gave are there"


def until(true: Callable[[], object], seconds: float, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_service_on_the_real_clock_is_played_at_the_pace_of_life(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        played = begin(service, tmp_path, "--speed", "1")
        try:
            # The town is founded at once, and comes to life with the next whole minute.
            until(lambda: len(service.get("/stations")["items"]) == 4, 60, played)
            until(lambda: len(service.get("/transactions", open="true")["items"]) == 5, 120, played)
            begun = [each["started_at"] for each in service.get("/transactions")["items"]]
            now = RealClock().now()
            spread = [abs(now - datetime.fromisoformat(at)) for at in begun]
            assert max(spread).total_seconds() < 70
            assert all(each["online"] for each in service.get("/stations")["items"])
            until(lambda: service.get("/plans")["items"], 60, played)
            until(lambda: service.get("/plans/current")["limits"], 60, played)
            played.send_signal(signal.SIGINT)
            out, said = played.communicate(timeout=60)
            assert (played.returncode, out, said) == (130, "", "")
        finally:
            played.kill()
            played.communicate()
        until_offline = time.monotonic() + 60
        while any(each["online"] for each in service.get("/stations")["items"]):
            assert time.monotonic() < until_offline, "they have hung up"
            time.sleep(0.2)
