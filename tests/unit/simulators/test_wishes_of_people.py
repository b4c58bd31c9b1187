"""What people wish for, and when they ask."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np

from models.timeline import parse_rfc3339
from simulators.people import wishes
from simulators.scenario import load_scenario


def test_nobody_asks_before_the_world_begins_or_after_the_trip_does() -> None:
    town = load_scenario("confluence")
    busy = msgspec.structs.replace(
        town, demand=msgspec.structs.replace(town.demand, start_hours=(100.0, *[0.1] * 23))
    )
    start = parse_rfc3339("2026-06-15T22:00:00Z")
    found = wishes(busy, start, 2, np.random.default_rng(1))
    assert len(found) > 100
    assert min(wish.start for wish in found) > start
    for wish in found:
        assert start <= wish.asked_at <= wish.start - timedelta(minutes=1)
