"""Time as values: instants and the grid of planning steps.

Everything inside the house is timezone-aware UTC. Local time exists at the border only (tariffs,
pages, "07:00"). Reading a clock is not here: see `models.clocks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EARLIEST_PLAUSIBLE = datetime(2000, 1, 1, tzinfo=UTC)
"""Before this, a station's time is `suspect` (it has lost its clock)."""
LATEST_PLAUSIBLE = datetime(2100, 1, 1, tzinfo=UTC)
"""From this on, a station's time is `suspect`."""

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def utc(instant: datetime) -> datetime:
    """Returns the same instant in UTC.

    Raises:
        ValueError: if `instant` has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"instant {instant.isoformat()} has no time zone")
    return instant.astimezone(UTC)


def shifted(instant: datetime, seconds: float) -> datetime:
    """Returns an instant so many seconds later (or earlier), within the years that there are."""
    try:
        return instant + timedelta(seconds=seconds)
    except OverflowError:
        return _LAST if seconds > 0 else _FIRST


def parse_rfc3339(text: str) -> datetime:
    """Returns the UTC instant that an RFC 3339 text names.

    Raises:
        ValueError: if it can't be read, or has no offset.
    """
    return utc(datetime.fromisoformat(text))


def format_rfc3339(instant: datetime) -> str:
    """Returns RFC 3339 text in UTC with a `Z`, with microseconds only where there are any."""
    text = utc(instant).isoformat()
    return text.removesuffix("+00:00") + "Z"


@dataclass(frozen=True, slots=True)
class StepGrid:
    """Equal steps from a start: step `i` is `[start + i * step, start + (i + 1) * step)`."""

    start: datetime
    step_minutes: int
    steps: int

    def instant(self, step: int) -> datetime:
        """Returns when `step` begins (may lie outside the grid)."""
        return self.start + timedelta(minutes=self.step_minutes * step)

    def floor(self, instant: datetime) -> int:
        """Returns the step that holds `instant` (may lie outside the grid)."""
        return int((instant - self.start) // timedelta(minutes=self.step_minutes))

    def ceil(self, instant: datetime) -> int:
        """Returns the first step that begins at or after `instant`."""
        return -int((self.start - instant) // timedelta(minutes=self.step_minutes))

    @property
    def hours(self) -> float:
        """Length of one step in hours."""
        return self.step_minutes / 60

    @property
    def end(self) -> datetime:
        """When the last step ends."""
        return self.instant(self.steps)


def floor_to_step(instant: datetime, step_minutes: int) -> datetime:
    """Returns the latest whole step of the day (UTC) at or before `instant`."""
    midnight = utc(instant).replace(hour=0, minute=0, second=0, microsecond=0)
    minutes = int((instant - midnight).total_seconds() // 60)
    return midnight + timedelta(minutes=minutes - minutes % step_minutes)
