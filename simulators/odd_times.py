"""Odd times: how a station with a quirk of its clock writes an instant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

from models.timeline import format_rfc3339

AHEAD = timedelta(hours=2)
JUMPS_AFTER, JUMPS_BY = timedelta(minutes=20), timedelta(minutes=30)
SET_AGAIN_AFTER = timedelta(minutes=31, seconds=30)
_ZONE = timezone(timedelta(hours=3))
_NEVER_SET = datetime(1970, 1, 1, tzinfo=UTC)


def no_zone(instant: datetime, _began: datetime) -> str:
    """Writes no zone at all."""
    return format_rfc3339(instant).removesuffix("Z")


def short_offset(instant: datetime, _began: datetime) -> str:
    """Writes a zone of whole hours, without minutes."""
    return instant.astimezone(_ZONE).isoformat().removesuffix(":00")


def never_set(instant: datetime, began: datetime) -> str:
    """Writes the time since the station was switched on, in 1970."""
    return format_rfc3339(_NEVER_SET + (instant - began))


def local_as_utc(instant: datetime, _began: datetime) -> str:
    """Writes the local time of a summer in Europe with the Z of UTC."""
    return format_rfc3339(instant + AHEAD)


def turned_back(instant: datetime, began: datetime) -> str:
    """Writes half an hour less for a while."""
    wrong = JUMPS_AFTER <= instant - began < SET_AGAIN_AFTER
    return format_rfc3339(instant - JUMPS_BY if wrong else instant)


CLOCKS: dict[str, Callable[[datetime, datetime], str]] = {
    "ts-no-zone": no_zone,
    "ts-short-offset": short_offset,
    "ts-1970": never_set,
    "ts-local-as-z": local_as_utc,
    "clock-jump": turned_back,
}
"""By quirk: the text of an instant, given when the station was switched on."""
