"""Changes of a scenario: what they make of it, and what is refused by its place."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.errors import BadInput
from simulators.changes import Changes, changed, changes_of, load_changes
from simulators.scenario import Scenario, load_scenario, read_scenario, scenario_of
from simulators.world import World

CONFLUENCE = load_scenario("confluence")
YDEAL = load_scenario("ydeal")
BOILER = {"efficiency": 0.9, "price_per_kwh": 0.1, "co2_g_per_kwh": 227}
HEAT: dict[str, Any] = {
    "loss_w_per_k": 100,
    "heated_below_c": 16,
    "hot_water_w": 50,
    "outdoor_c": [5] * 12,
    "swing_k": 4,
}


def made(scenario: Scenario = CONFLUENCE, **changes: Any) -> Scenario:
    return changed(scenario, changes_of(changes, source="c"), source="c")


def test_cars_and_stations_come_and_go() -> None:
    other = made(
        add_cars=[{"site": "region", "model": "city-145", "count": 3}],
        add_stations=[
            {"site": "region", "identity": "REG-9", "kind": "twin-16", "circuit": "region-cars"}
        ],
        remove_stations=["NAU-F", "REG-1"],
    )
    nautique, region = other.sites[:2]
    assert region.cars == (*CONFLUENCE.sites[1].cars, *["city-145"] * 3)
    assert [each.identity for each in nautique.stations] == ["NAU-1", "NAU-2", "NAU-3"]
    assert [each.identity for each in region.stations] == ["REG-2", "REG-3", "REG-F", "REG-9"]
    assert other.sites[2:] == CONFLUENCE.sites[2:]


def test_roofs_prices_and_weather_change() -> None:
    other = made(
        pv=[
            {"site": "monolithe", "factor": 2, "added_peak_power_w": 1000, "azimuth_deg": 90},
            {"site": "nautique", "factor": 0},
        ],
        prices={"import_factor": 1.5, "export_price_per_kwh": 0.1},
        weather=["overcast", "clear"],
    )
    peaks = [plant.peak_power_w for plant in other.sites[2].pv_plants]
    assert peaks == [9000, 9000, 1000]
    assert other.sites[2].pv_plants[2].azimuth_deg == 90
    assert other.sites[0].pv_plants == ()
    assert other.prices.import_price_per_kwh[0] == pytest.approx(0.171 * 1.5)
    assert other.prices.export_price_per_kwh == 0.1
    assert other.prices.import_co2_g_per_kwh == CONFLUENCE.prices.import_co2_g_per_kwh
    assert (other.sky.first_days, other.sky.later_days) == (("overcast", "clear"), {"clear": 1.0})


def test_a_building_is_renovated_and_gets_a_battery() -> None:
    other = made(
        YDEAL,
        buildings=[
            {
                "site": "block",
                "load_factor": 0.9,
                "heat_loss_factor": 0.5,
                "hot_water_factor": 0.8,
                "heat_pump": {"flow_c": 35},
            }
        ],
        batteries=[{"site": "block", "capacity_wh": 1000, "max_power_w": 500, "efficiency": 0.9}],
    )
    (site,), (before,) = other.sites, YDEAL.sites
    assert site.heat is not None
    assert before.heat is not None
    assert site.building.peak_w == before.building.peak_w * 0.9
    assert site.heat.loss_w_per_k == before.heat.loss_w_per_k / 2
    assert site.heat.hot_water_w == before.heat.hot_water_w * 0.8
    assert (site.heat.boiler, site.heat.heat_pump.flow_c) == (None, 35)  # type: ignore[union-attr]
    assert msgspec.to_builtins(site.battery) == {
        "capacity_wh": 1000,
        "max_power_w": 500,
        "efficiency": 0.9,
        "follows": "plan",
    }


def test_a_building_of_which_nothing_was_known_can_be_given_heat() -> None:
    asked = {"site": "region", "heat": HEAT, "heat_pump": {"flow_c": 50}}
    site = made(buildings=[asked]).sites[1]
    assert site.heat is not None
    assert site.heat.loss_w_per_k == 100
    assert site.heat.heat_pump is not None


@pytest.mark.parametrize(
    ("changes", "field", "word"),
    [
        ({}, "", "change nothing"),
        ({"title": "x"}, "", "change nothing"),
        ({"more_sun": True}, "/more_sun", "more_sun"),
        ({"planner": "magic"}, "/planner", "magic"),
        ({"weather": ["snow"]}, "/weather/0", "snow"),
        ({"add_cars": [{"site": "x", "model": "city-145"}]}, "/add_cars/0/site", "unknown site"),
        ({"add_cars": [{"site": "region", "model": "x"}]}, "/add_cars/0/model", "unknown model"),
        (
            {"add_cars": [{"site": "region", "model": "city-145", "count": 0}]},
            "/add_cars/0/count",
            ">= 1",
        ),
        ({"remove_stations": ["REG-1", "X"]}, "/remove_stations/1", "unknown station"),
        ({"pv": [{"site": "region", "factor": -1}]}, "/pv/0/factor", ">= 0"),
        ({"pv": [{"site": "region", "factor": float("nan")}]}, "/pv/0/factor", "Expected"),
        ({"prices": {"import_price_per_kwh": [0.1]}}, "/prices/import_price_per_kwh", "24"),
        ({"prices": {"import_factor": 0.1}}, "", "not below every import price"),
        (
            {"add_stations": [{"site": "region", "identity": "NAU-1", "kind": "twin-16"}]},
            "",
            "twice",
        ),
        ({"buildings": [{"site": "x"}]}, "/buildings/0/site", "unknown site"),
        ({"buildings": [{"site": "region"}, {"site": "region"}]}, "/buildings", "twice"),
        (
            {"buildings": [{"site": "region", "heat_pump": {"flow_c": 45}}]},
            "/buildings/0/heat",
            "is needed",
        ),
        (
            {"buildings": [{"site": "region", "heat_loss_factor": 0.5}]},
            "/buildings/0/heat",
            "is needed",
        ),
        ({"buildings": [{"site": "region", "heat": HEAT}]}, "", "neither or both"),
        ({"pv": [{"site": "region", "factor": 1}] * 1001}, "/pv", "1000"),
        ({"weather": ["clear"] * 1001}, "/weather", "1000"),
        ({"staff": [{"site": "nowhere", "move_price": 1}]}, "/staff/0/site", "nowhere"),
        ({"staff": [{"site": "region", "move_price": 1}] * 2}, "/staff", "twice"),
        (
            {
                "staff": [
                    {
                        "site": "region",
                        "move_price": 1,
                        "move_hours": [{"start": "18:00", "end": "08:00"}],
                    }
                ]
            },
            "",
            "after start",
        ),
        (
            {"batteries": [{"site": "region", "capacity_wh": 0, "max_power_w": 1}]},
            "/batteries/0/capacity_wh",
            "> 0",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(changes: Any, field: str, word: str) -> None:
    with pytest.raises(BadInput) as caught:
        made(**changes)
    error = caught.value
    assert error.errors[0].field == field
    assert word in error.errors[0].detail
    assert word in error.detail
    assert "\n" not in error.detail


def test_heat_that_the_scenario_has_is_not_told_twice() -> None:
    with pytest.raises(BadInput, match="has the heat of 'block' already"):
        made(YDEAL, buildings=[{"site": "block", "heat": {**HEAT, "boiler": BOILER}}])


def test_changes_are_read_from_toml_and_json(tmp_path: Path) -> None:
    toml, json = tmp_path / "c.toml", tmp_path / "c.json"
    toml.write_text('weather = ["clear"]\n[[pv]]\nsite = "region"\nfactor = 2\n')
    json.write_bytes(msgspec.json.encode(tomllib.loads(toml.read_text())))
    assert load_changes(toml) == load_changes(json)
    assert isinstance(load_changes(toml), Changes)
    for path, words in ((toml, "is not TOML"), (json, "is not JSON"), (tmp_path / "no", "No such")):
        if path.exists():
            path.write_text("{")
        with pytest.raises(BadInput, match=words):
            load_changes(path)


def test_a_scenario_may_be_json_too() -> None:
    data = msgspec.json.encode(CONFLUENCE)
    assert read_scenario(data, source="town.json") == CONFLUENCE


def test_other_towns_have_the_same_people_and_the_same_sky() -> None:
    other = made(add_cars=[{"site": "region", "model": "city-145", "count": 5}])
    plain = World(CONFLUENCE, days=1)
    worlds = [plain, World(other, days=1, people_of=CONFLUENCE)]
    wishes = [
        [each for _, _, each in sorted(world._ahead, key=lambda event: event[:2])]
        for world in worlds
    ]
    assert wishes[0] == wishes[1]
    assert len(worlds[1].cars) == len(plain.cars) + 5
    for site, place in plain.places.items():
        assert (place.pv_w == worlds[1].places[site].pv_w).all()
        assert (place.load_w == worlds[1].places[site].load_w).all()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deep.toml", "a = " + "[" * 100_000),
        ("deep.json", "[" * 100_000),
        ("long.toml", "a = " + "1" * 5_000),
    ],
)
def test_files_that_no_reader_likes_are_named_in_one_line(
    tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadInput, match=name) as told:
        load_changes(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("parts", ["circuits", "pv_plants"])
def test_a_site_of_so_many_parts_that_checking_takes_long_is_refused(parts: str) -> None:
    town = msgspec.to_builtins(CONFLUENCE)
    site = town["sites"][0]
    site[parts] = [site[parts][0]] * 201
    with pytest.raises(BadInput, match=f"/sites/0/{parts}: .*200"):
        scenario_of(town, source="s")
