"""Scenario files: what is shipped, and what is refused."""

from __future__ import annotations

from importlib import resources

import pytest

from models.errors import BadInput
from simulators.scenario import load_scenario, read_scenario, shipped_scenarios


def confluence_text() -> str:
    return (resources.files("simulators") / "scenarios" / "confluence.toml").read_text()


def test_confluence_is_what_it_says():
    scenario = load_scenario("confluence")
    cars = [scenario.model(model) for site in scenario.sites for model in site.cars]
    kinds = [scenario.kind(station.kind) for site in scenario.sites for station in site.stations]
    assert (len(scenario.sites), len(cars)) == (6, 30)
    assert all(14_500 <= car.battery_capacity_wh <= 16_000 for car in cars)
    slow = sum(kind.evses for kind in kinds if kind.current_type == "AC")
    fast = sum(kind.evses for kind in kinds if kind.current_type == "DC")
    assert (slow, fast) == (30, 3)
    assert {kind.max_power_w for kind in kinds if kind.current_type == "AC"} == {3700}
    assert {kind.subprotocol for kind in kinds} == {"ocpp1.6", "ocpp2.0.1", "ocpp2.1"}
    assert scenario.demand.subscribers == 200
    assert scenario.demand.mean_distance_km == 25
    assert (scenario.days, scenario.start_soc_pct, scenario.meter_every_s) == (2, 50, 60)
    assert 2 <= scenario.demand.trips_per_car_day <= 3


def test_a_file_of_ones_own_is_read_like_a_shipped_one(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(confluence_text())
    assert load_scenario(path) == load_scenario("confluence")
    assert "confluence" in shipped_scenarios()


@pytest.mark.parametrize(
    ("old", "new", "pointer", "word"),
    [
        ("days = 2", "days = 0", "/days", ">= 1"),
        ("days = 2", "", "", "days"),
        ("seed = 1", "seed = 1\nsede = 2", "", "sede"),
        ("latitude = 45.7402", "latitude = 95.0", "/sites/0/latitude", "90"),
        ('kind = "twin-16"', 'kind = "twin-17"', "/sites/0/stations/0/kind", "twin-17"),
        ('cars = ["city-145"', 'cars = ["city-1"', "/sites/0/cars/0", "city-1"),
        ("export_price_per_kwh = 0.06", "export_price_per_kwh = 0.2", "/prices", "import"),
        ('"NAU-2"', '"NAU-1"', "/sites/stations", "twice"),
        ("limit_w = 30000", "limit_w = 3000", "/sites/0/circuits/0/limit_w", "safe limits"),
        ('timezone = "Europe/Paris"', 'timezone = "Europe/Lyon"', "/timezone", "Lyon"),
        ("2026-06-16T00:00:00+02:00", "2026-06-16T00:00:00", "/start", "time zone"),
        ('subprotocol = "ocpp2.1"', 'subprotocol = "ocpp3"', "/station_kinds/2", "ocpp3"),
    ],
)
def test_a_mistake_is_named_with_its_place(old, new, pointer, word):
    text = confluence_text().replace(old, new, 1)
    with pytest.raises(BadInput) as caught:
        read_scenario(text.encode(), source="x")
    error = caught.value
    assert error.errors[0].field.startswith(pointer)
    assert word in error.detail
    assert "\n" not in error.detail


def test_broken_toml_and_missing_files_are_one_clear_line(tmp_path):
    with pytest.raises(BadInput, match="not TOML"):
        read_scenario(b"name = ", source="x")
    with pytest.raises(BadInput, match="not UTF-8"):
        read_scenario(b"\xff", source="x")
    with pytest.raises(BadInput, match=r"shipped ones are: .*confluence"):
        load_scenario(tmp_path / "no.toml")
