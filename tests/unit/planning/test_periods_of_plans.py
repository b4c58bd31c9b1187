"""What a plan means for one box: its periods, and what they are for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from csms.planning.rules import wanted_periods
from models.timeline import StepGrid
from scheduler.overrides import Override, OverrideKind

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
GRID = StepGrid(NOW, 15, 16)


@pytest.mark.parametrize(
    ("kind", "power_w", "reason"),
    [
        ("hold", None, "OVERRIDE"),
        ("at_most", 0.0, "OVERRIDE"),
        ("at_most", 2_000.0, "KEEP"),
        ("charge_now", None, "KEEP"),
    ],
)
def test_no_power_is_for_an_override_only_where_it_allows_none(
    kind: OverrideKind, power_w: float | None, reason: str
) -> None:
    overrides = [Override(0, 4, kind, power_w)]
    (period,) = wanted_periods([], GRID, NOW, overrides)
    assert (period.limit_w, period.reasons) == (0.0, (reason,))
