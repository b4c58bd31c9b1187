"""Every quirk of the catalogue, played by a simulated station over a real socket for a whole day.

At its end the service must know of each transaction what really happened: energy, times and token.
What it could not know must be marked with the reason, and nothing else may be marked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.clocks import Activity, SteppedClock
from models.quirks import CATALOGUE, Quirk
from tests.builders.quirky_day import PLANNED_W, SAFE_W, SERIAL_TOKEN, Day, Stay
from tests.builders.stations import NOON
from tests.integration.gateway.rig import rig

VERSIONS = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}
ELSEWHERE = frozenset({"reservation", "firmware"})
"""Groups whose quirks show on no charging day: see the tests of reservations and of updates."""
CASES = [
    (quirk.id, version)
    for quirk in CATALOGUE.values()
    if quirk.group not in ELSEWHERE
    for version in quirk.versions
]
MARKS: dict[str, set[str]] = {
    "ts-no-zone": {"time-without-zone", "time-sloppy"},
    "ts-1970": {"time-implausible"},
    "ts-local-as-z": {"time-ahead"},
    "clock-jump": {"time-backwards"},
    "tag-serial": {"token-cut"},
    "stop-unknown-tx": {"transaction-guessed", "stop-guessed"},
    "stop-minus1": {"transaction-guessed", "stop-guessed"},
    "txid-zero": {"transaction-guessed"},
    "txid-maxint": {"transaction-guessed", "stop-guessed"},
    "txid-stale": {"transaction-guessed"},
    "txid-prev-session": {"transaction-guessed"},
    "powerloss-silent": {"stop-missing"},
    "stop-reason-wrong": {"schema"},
    "extra-fields": {"unknown-fields"},
    "meter-zero-start": {"meter-start-guessed"},
    "meter-drop-zero": {"meter-backwards"},
    "meter-decrease": {"meter-backwards"},
    "meter-kwh-vs-wh": {"meter-backwards"},
    "meter-offset": {"after-stop"},
}
"""How transactions are marked; those of all other quirks are not."""
SAMPLE_WH = 2 / 60 * PLANNED_W + 1
"""The most that flows before the first sample of a stay, or after its last."""
UNKNOWN: dict[str, tuple[float, float]] = {
    "ts-1970": (120.0, 1.0),
    "ts-local-as-z": (120.0, 1.0),
    "powerloss-silent": (120.0, SAMPLE_WH),
    "meter-zero-start": (1.0, SAMPLE_WH),
    "meter-decrease": (1.0, SAMPLE_WH),
}
"""What can't be known better, in s and Wh: transactions that are off by so much are marked."""
HELD_W: dict[str, tuple[float, float]] = {
    "ignores-limits": (11040.0, 11040.0),
    "ems-disabled": (11040.0, 11040.0),
    "car-2phase": (SAFE_W, 7360.0),
    "car-needs-8a": (0.0, PLANNED_W),
    "car-needs-13a": (0.0, PLANNED_W),
    "car-stops-at-own-limit": (0.0, 0.0),
}
"""What flows under the two limits; under all other quirks they are kept to."""
_plain: dict[str, list[Any]] = {}


async def played(
    directory: Path, version: str, quirk: Quirk | None, *, strict: bool = False
) -> tuple[Day, list[Any], list[Any]]:
    """Plays a day; returns it with its transcript and its transactions."""
    activity = Activity()
    clock = SteppedClock(NOON, activity)
    quirks = frozenset() if quirk is None else frozenset({quirk.id})
    record = (quirk.id,) if quirk is not None and quirk.setting else ()
    directory.mkdir(exist_ok=True)
    async with rig(directory, clock=clock, activity=activity) as house:
        day = Day(house, clock, VERSIONS[version], quirks)
        await day.prepare(record=record, strict=strict)
        await day.play()
        return day, await day.whole_transcript(), await day.transactions()


def off(row: Any, stay: Stay, name: str, within: tuple[float, float]) -> list[str]:
    """Returns in what a transaction is not as it really was."""
    found: list[str] = []
    seconds, energy_wh = within
    assert stay.stopped_at is not None
    if abs((row.started_at - stay.started_at).total_seconds()) > seconds:
        found.append(f"started {row.started_at}, not {stay.started_at}")
    if row.stopped_at is None:
        found.append("open")
    elif abs((row.stopped_at - stay.stopped_at).total_seconds()) > seconds:
        found.append(f"stopped {row.stopped_at}, not {stay.stopped_at}")
    if abs(row.energy_wh - stay.energy_wh) > energy_wh:
        found.append(f"{row.energy_wh} Wh, not {stay.energy_wh}")
    token = SERIAL_TOKEN if name == "tag-serial" else stay.token
    if (row.id_token or "").lower() != token.lower():
        found.append(f"token {row.id_token}, not {token}")
    return found


@pytest.mark.parametrize(("name", "version"), CASES)
async def test_transactions_are_right_under_the_quirk(
    tmp_path: Path, name: str, version: str
) -> None:
    if version not in _plain:
        day, script, rows = await played(tmp_path / "plain", version, None)
        assert len(rows) == len(day.stays)
        assert [
            off(r, s, "", (1, 1)) for r, s in zip(rows, day.stays, strict=True) if r.suspect
        ] == []
        _plain[version] = script
    day, script, rows = await played(tmp_path / "odd", version, CATALOGUE[name])
    assert script != _plain[version], "the quirk changes nothing"
    assert len(rows) == len(day.stays)
    for row, stay in zip(rows, day.stays, strict=True):
        assert off(row, stay, name, UNKNOWN.get(name, (1.0, 1.0))) == []
        if off(row, stay, name, (1.0, 1.0)):
            assert row.suspect, "it is off, and not marked"
    assert {mark for row in rows for mark in row.suspect} == MARKS.get(name, set())
    assert day.held_w == pytest.approx(HELD_W.get(name, (SAFE_W, PLANNED_W)), abs=2)
    assert day.paused_w == (11040.0 if name in {"ignores-limits", "ems-disabled"} else 0.0)
