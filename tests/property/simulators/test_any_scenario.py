"""A scenario file with anything in any place makes a world, or is refused by name."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from simulators.faults import FAULTS
from simulators.scenario import Scenario, read_scenario
from simulators.world import World

FILE = Path(__file__).parents[2] / "fixtures" / "scenarios" / "corner.toml"
TOWN = tomllib.loads(FILE.read_text())


def places(value: Any, *path: str | int) -> list[tuple[str | int, ...]]:
    """Returns the way to everything in a document."""
    inner: list[tuple[str | int, ...]] = []
    if isinstance(value, dict):
        inner = [way for name in value for way in places(value[name], *path, name)]
    elif isinstance(value, list):
        inner = [way for index, each in enumerate(value) for way in places(each, *path, index)]
    return [path, *inner] if path else inner


PLACES = places(TOWN)
odd = st.one_of(
    st.sampled_from([float("nan"), float("inf"), -1, 0, 1, 10**12, 1e300, "", "x", [], {}, True]),
    st.floats(),
    st.integers(-(10**6), 10**6),
    st.text(max_size=3),
)


def changed(way: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    town = copy.deepcopy(TOWN)
    inner: Any = town
    for name in way[:-1]:
        inner = inner[name]
    inner[way[-1]] = value
    return town


def read(town: dict[str, Any]) -> Scenario:
    return read_scenario(toml(town), source="a town")


def toml(value: Any) -> bytes:
    return b"\n".join(f"{name} = {literal(each)}".encode() for name, each in value.items())


def literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {literal(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(each) for each in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
    if isinstance(value, int | float):
        return repr(value).replace("e+", "e")
    return value.isoformat()


def test_the_town_itself_is_a_scenario() -> None:
    assert read(TOWN) == read_scenario(FILE.read_bytes(), source="corner")


@settings(max_examples=150, deadline=None)
@given(way=st.sampled_from(PLACES), value=odd)
def test_anything_in_any_place_is_played_or_refused_by_name(
    way: tuple[str | int, ...], value: Any
) -> None:
    try:
        scenario = read(changed(way, value))
    except BadInput as refused:
        assert refused.detail.startswith("scenario 'a town': /") or "TOML" in refused.detail
        return
    world = World(scenario, days=1, faults=tuple(FAULTS))
    for _ in range(30):
        world.advance(world.now + (world.end - world.start) / 24 / 60)
        world.due()


@pytest.mark.parametrize("way", PLACES, ids=lambda way: "/".join(map(str, way)))
def test_every_field_is_needed_or_has_a_default(way: tuple[str | int, ...]) -> None:
    town = copy.deepcopy(TOWN)
    inner: Any = town
    for name in way[:-1]:
        inner = inner[name]
    del inner[way[-1]]
    try:
        World(read(town), days=1)
    except BadInput as refused:
        assert refused.detail.startswith("scenario 'a town': /")
