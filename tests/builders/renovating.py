"""A small block of homes that a test plays in seconds, and what its owner thinks of doing."""

from __future__ import annotations

import tomllib
from datetime import datetime
from importlib import resources
from typing import Any

CHANGES: dict[str, Any] = {
    "title": "Ydéal, renovated",
    "buildings": [
        {"site": "block", "heat_loss_factor": 0.5, "load_factor": 0.9, "heat_pump": {"flow_c": 45}}
    ],
    "batteries": [{"site": "block", "capacity_wh": 200_000, "max_power_w": 100_000}],
}


def block(**fields: Any) -> dict[str, Any]:
    """Returns the shipped block as a document of JSON, with half its cars and few trips."""
    data = (resources.files("simulators") / "scenarios" / "ydeal.toml").read_text()
    town = tomllib.loads(data)
    (site,) = town["sites"]
    site["cars"], site["stations"] = site["cars"][:2], site["stations"][:1]
    town["demand"] |= {"subscribers": 4, "trips_per_car_day": 1.0}
    start = town["start"]
    assert isinstance(start, datetime)
    return town | {"start": start.isoformat(), "name": "block", "meter_every_s": 900} | fields
