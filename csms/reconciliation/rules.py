"""What did not add up: what was done about each kind, and what a person may do. Pure.

Nothing waits for a person: each oddity has been dealt with by a rule when it is listed, so that
cars charge and energy is counted. Who looks at the list confirms that, or puts it right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

Choice = Literal["keep", "correct", "assign", "vehicle"]
"""`keep`: it is right as it is; `correct`: the transaction's end or energy is put right; `assign`:
what the station said was the end of that transaction; `vehicle`: that car was charged."""

STOP_MISSING = "stop-missing"
SILENT = "never-ending"
IMPLAUSIBLE = "meter-implausible"
UNKNOWN = "transaction-unknown"

GONE_AFTER = timedelta(minutes=10)
"""For so long a free connector may only mean that the end of the transaction is still queued."""
SILENT_AFTER = timedelta(days=7)
MOST_W = 400_000.0
"""No EVSE gives more, where its own power is not known (megawatt charging has it on record)."""
TOLERANCE = 1.2
LEAST_WH = 500.0
"""Less energy than this is not worth doubting: a minute's rounding would do it."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of oddity."""

    done: str
    choices: tuple[Choice, ...]


KINDS: Mapping[str, Kind] = {
    UNKNOWN: Kind("It was kept as it came, and answered. It changed no transaction.", ("keep",)),
    "transaction-guessed": Kind(
        "The one transaction of the station that it fitted was ended. An end that the station tells"
        " under the right number takes the place of this one.",
        ("keep", "correct"),
    ),
    "second-stop": Kind("The first end stands; the second changed nothing.", ("keep", "correct")),
    "seq-conflict": Kind(
        "Both messages were taken in; each meter value counts once.", ("keep", "correct")
    ),
    STOP_MISSING: Kind(
        "The transaction was ended at its last meter value. An end that the station tells later"
        " takes the place of this one.",
        ("keep", "correct"),
    ),
    SILENT: Kind(
        "The transaction was ended at its last meter value. An end that the station tells later"
        " takes the place of this one.",
        ("keep", "correct"),
    ),
    "stopped-by-stranger": Kind(
        "The transaction has ended; `stopped_by` says by which token.", ("keep",)
    ),
    "id-reused": Kind("The former transaction has another number now.", ("keep",)),
    "vehicle-unknown": Kind("It charges as nobody's car.", ("keep", "vehicle")),
    IMPLAUSIBLE: Kind("Its energy is what the meter told.", ("keep", "correct")),
}
_OTHER = Kind("It was kept as it came.", ("keep",))


class Stop(msgspec.Struct, frozen=True):
    """The end of a 1.6 transaction as a station told it (StopTransaction.req)."""

    meter_stop: float = msgspec.field(name="meterStop")
    timestamp: datetime
    reason: str = "Local"


def told_stop(raw: str | None) -> Stop | None:
    """Returns the end of a transaction that an oddity is about, if it is about one."""
    if raw is None:
        return None
    try:
        stop = msgspec.json.decode(raw, type=Stop)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return stop if stop.timestamp.tzinfo is not None else None


def choices(kind: str, raw: str | None, *, resolved: bool) -> tuple[Choice, ...]:
    """Returns what a person may do about an oddity; nothing where that has been done."""
    if resolved:
        return ()
    known = KINDS.get(kind, _OTHER).choices
    if kind == UNKNOWN and told_stop(raw) is not None:
        return (*known, "assign")
    return known


def done(kind: str) -> str:
    """Returns what was done about an oddity when it was listed."""
    return KINDS.get(kind, _OTHER).done


def is_gone(
    started_at: datetime,
    last_reading_at: datetime | None,
    statuses: Sequence[tuple[str, datetime | None]],
    now: datetime,
) -> bool:
    """Returns whether the car of an open transaction has left without an end being told.

    Args:
        started_at: of the transaction.
        last_reading_at: when it was metered last.
        statuses: of the connectors that it may be on, and since when.
        now: by our clock.
    """
    heard_at = max(started_at, last_reading_at or started_at)
    return bool(statuses) and all(
        status == "Available" and since is not None and heard_at < since <= now - GONE_AFTER
        for status, since in statuses
    )


def is_implausible(
    energy_wh: float, duration: timedelta, max_power_w: float | None, suspect: Sequence[Any]
) -> bool:
    """Returns whether a meter told more energy than its EVSE can have given in the time.

    Where the times are doubted themselves, nothing can be said.
    """
    if energy_wh < LEAST_WH or any(str(mark).startswith("time-") for mark in suspect):
        return False
    hours = max(duration, timedelta(minutes=1)) / timedelta(hours=1)
    return energy_wh > TOLERANCE * (max_power_w or MOST_W) * hours
