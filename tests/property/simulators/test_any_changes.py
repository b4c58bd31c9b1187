"""Any changes make a scenario that can be played, or are refused by their place."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BadInput
from simulators.changes import changed, changes_of
from simulators.scenario import load_scenario, mistakes
from tests.builders.renovating import CHANGES

TOWN = load_scenario("confluence")
BLOCK = load_scenario("ydeal")
sites = st.sampled_from([*(site.id for site in TOWN.sites), "block", "elsewhere"])
numbers = st.one_of(st.floats(0, 100), st.sampled_from([0, 1, -1, 1e12, float("nan"), "x", None]))
documents = st.fixed_dictionaries(
    {},
    optional={
        "title": st.text(max_size=10),
        "add_cars": st.lists(
            st.fixed_dictionaries(
                {"site": sites, "model": st.sampled_from(["city-145", "x"])},
                optional={"count": st.integers(-1, 1001)},
            ),
            max_size=2,
        ),
        "remove_stations": st.lists(st.sampled_from(["NAU-1", "YDE-1", "X"]), max_size=3),
        "pv": st.lists(
            st.fixed_dictionaries(
                {"site": sites}, optional={"factor": numbers, "added_peak_power_w": numbers}
            ),
            max_size=3,
        ),
        "prices": st.fixed_dictionaries(
            {}, optional={"import_factor": numbers, "export_price_per_kwh": numbers}
        ),
        "weather": st.lists(st.sampled_from(["clear", "mixed", "hail"]), max_size=3),
        "buildings": st.lists(
            st.fixed_dictionaries(
                {"site": sites},
                optional={
                    "load_factor": numbers,
                    "heat_loss_factor": numbers,
                    "heat_pump": st.fixed_dictionaries({"flow_c": numbers}),
                },
            ),
            max_size=2,
        ),
        "batteries": st.lists(
            st.fixed_dictionaries({"site": sites, "capacity_wh": numbers, "max_power_w": numbers}),
            max_size=2,
        ),
        "planner": st.sampled_from(["plan", "surplus", "magic"]),
    },
)


@given(documents, st.sampled_from([TOWN, BLOCK]))
def test_any_changes_make_a_scenario_or_are_refused(document: dict[str, Any], town: Any) -> None:
    try:
        other = changed(town, changes_of(document, source="c"), source="c")
    except BadInput as error:
        assert error.errors
        assert "\n" not in error.detail
        return
    assert mistakes(other) == []
    assert other == msgspec.json.decode(msgspec.json.encode(other), type=type(other))
    assert [site.id for site in other.sites] == [site.id for site in town.sites]
    assert other.demand == town.demand


def test_the_changes_of_the_tests_are_changes() -> None:
    assert changed(BLOCK, changes_of(CHANGES, source="c"), source="c") != BLOCK
