"""Bad problems are refused with the JSON pointer of each wrong field; good ones survive a trip."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.errors import BadInput
from scheduler.plan import read_plan, write_plan
from scheduler.problem import Problem, check_problem, read_problem, write_problem
from tests.builders.problems import booking, problem, site, vehicle

FIXTURES = Path(__file__).parents[2] / "fixtures" / "planning"
BYTES = (FIXTURES / "problem.json").read_bytes()
Document = dict[str, Any]
DOCUMENT: Document = msgspec.json.decode(BYTES)
DOCUMENT["sites"][0]["pv_high_power_w"] = DOCUMENT["sites"][0]["pv_power_w"]


def pointers(read: Callable[[bytes], object], data: bytes) -> list[str]:
    with pytest.raises(BadInput) as caught:
        read(data)
    error = caught.value
    assert "\n" not in error.detail
    assert error.errors[0].field in error.detail
    return [one.field for one in error.errors]


def changed(path: str, value: object) -> bytes:
    """The fixture's problem with one value put in (or, for `...`, taken out)."""
    document = copy.deepcopy(DOCUMENT)
    at: Any = document
    *parents, last = [int(p) if p.isdigit() else p for p in path.split("/")[1:]]
    for part in parents:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return msgspec.json.encode(document)


WRONG: list[tuple[str, object]] = [
    ("/version", 2),
    ("/version", ...),
    ("/start", "2026-06-15T00:00:00"),
    ("/start", "yesterday"),
    ("/start", 5),
    ("/step_minutes", 0),
    ("/step_minutes", 15.0),
    ("/step_minutes", "15"),
    ("/steps", True),
    ("/steps", 2**60),
    ("/sites", {}),
    ("/surprise", 1),
    ("/terminal_value_per_kwh", None),
    ("/turnaround_steps", -1),
    ("/currency", 3),
    ("/sites/0/id", 7),
    ("/sites/1/id", "A"),
    ("/sites/0/import_limit_w", -1),
    ("/sites/0/export_limit_w", ...),
    ("/sites/0/pv_power_w", [0.0] * 7),
    ("/sites/0/load_power_w", [0.0] * 9),
    ("/sites/0/import_price_per_kwh", []),
    ("/sites/0/import_co2_g_per_kwh", []),
    ("/sites/0/pv_power_w/3", -5),
    ("/sites/0/pv_power_w/3", None),
    ("/sites/0/load_power_w/3", "1"),
    ("/sites/0/battery/efficiency", 0),
    ("/sites/0/battery/efficiency", 1.01),
    ("/sites/0/battery/capacity_wh", -1),
    ("/sites/0/battery/soc_wh", ...),
    ("/sites/0/circuits/0/limit_w", -0.1),
    ("/sites/0/circuits/0/parent", "A-row"),
    ("/sites/0/circuits/0/parent", "A-main"),
    ("/sites/0/circuits/1/parent", "A-none"),
    ("/sites/0/circuits/1/id", "A-main"),
    ("/sites/0/evses/0/circuit", "B-main"),
    ("/sites/0/evses/0/current_type", "ac"),
    ("/sites/0/evses/0/max_power_w", -7400),
    ("/sites/0/evses/0/bidirectional", 1),
    ("/sites/0/evses/1/id", "A-1"),
    ("/sites/1/evses/0/id", "A-1"),
    ("/sites/0/evses/1/unavailable/0", [8, 6]),
    ("/sites/0/evses/1/unavailable/0", [6]),
    ("/sites/0/evses/1/unavailable/0", [-1, 6]),
    ("/vehicles/0/class", ...),
    ("/vehicles/0/vehicle_class", "city"),
    ("/vehicles/1/id", "car-1"),
    ("/vehicles/0/site", "C"),
    ("/vehicles/0/evse", "B-1"),
    ("/vehicles/1/evse", "A-1"),
    ("/vehicles/0/available_from", -1),
    ("/vehicles/0/capacity_wh", -16000),
    ("/vehicles/0/charge_efficiency", 0),
    ("/vehicles/0/consumption_wh_per_km", -140),
    ("/bookings/1/id", "b-1"),
    ("/bookings/0/classes", "city"),
    ("/bookings/0/classes/0", 1),
    ("/bookings/0/pickup_site", "C"),
    ("/bookings/0/dropoff_site", "C"),
    ("/bookings/0/start_step", 8),
    ("/bookings/0/start_step", -1),
    ("/bookings/0/end_step", 4),
    ("/bookings/0/end_step", 3),
    ("/bookings/0/distance_km", -1),
    ("/bookings/0/vehicle", "car-9"),
    ("/bookings/0/priority", 1.5),
]


@pytest.mark.parametrize(("pointer", "value"), WRONG)
def test_the_wrong_field_is_named(pointer: str, value: object) -> None:
    assert pointer in pointers(read_problem, changed(pointer, value))


def test_every_wrong_field_is_named_at_once() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["vehicles"][0]["soc_wh"] = "full"
    document["vehicles"][2]["colour"] = "red"
    del document["bookings"][1]["distance_km"]
    assert pointers(read_problem, msgspec.json.encode(document)) == [
        "/vehicles/0/soc_wh",
        "/vehicles/2/colour",
        "/bookings/1/distance_km",
    ]


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e400"])
def test_a_number_that_json_does_not_have_is_named(number: bytes) -> None:
    data = BYTES.replace(b"[0.3, 0.3", b"[0.3, " + number, 1)
    assert pointers(read_problem, data) == ["/sites/0/import_price_per_kwh/1"]
    data = BYTES.replace(b'"soc_wh": 12000', b'"soc_wh": ' + number, 1)
    assert pointers(read_problem, data) == ["/vehicles/2/soc_wh"]


def test_an_integer_beyond_all_floats_is_named() -> None:
    data = BYTES.replace(b'"soc_wh": 12000', b'"soc_wh": 1' + b"0" * 400, 1)
    assert pointers(read_problem, data) == ["/vehicles/2/soc_wh"]


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b"{}}", b'{"a": "\\ud800"}'],
)
def test_what_is_no_json_object_is_refused_as_a_whole(data: bytes) -> None:
    assert pointers(read_problem, data) == [""]


def test_names_from_outside_can_not_paint_the_terminal() -> None:
    with pytest.raises(BadInput) as caught:
        read_problem(changed("/\x1b[31m\nred", 1))
    assert caught.value.detail.isprintable()
    assert caught.value.errors[0].field == "/\x1b[31m\nred"


def test_a_pointer_escapes_slash_and_tilde() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["a/b~c"] = 1
    assert pointers(read_problem, msgspec.json.encode(document)) == ["/a~1b~0c"]


OPTIONAL = [
    "/sites/0/import_co2_g_per_kwh",
    "/sites/0/pv_high_power_w",
    "/sites/0/battery",
    "/sites/1/circuits",
    "/sites/1/evses/0/circuit",
    "/sites/0/evses/1/unavailable",
    "/sites/0/evses/0/bidirectional",
    "/vehicles/1/evse",
    "/vehicles/0/max_discharge_w",
    "/vehicles/0/max_dc_power_w",
    "/bookings/0/reserve_km",
    "/bookings/3/vehicle",
    "/bookings/3/priority",
    "/terminal_value_per_kwh",
    "/turnaround_steps",
    "/currency",
    "/sites/1/phase_limits_w",
    "/sites/0/peak_price_per_kw",
    "/sites/0/peak_so_far_w",
    "/sites/1/flexible_loads/0/loss_w",
    "/sites/1/flexible_loads",
    "/sites/0/circuits/0/load_w",
    "/sites/0/circuits/1/phase_limits_w",
    "/sites/0/evses/1/phases",
    "/vehicles/0/taper",
    "/vehicles/1/ac_phases",
]


@pytest.mark.parametrize("pointer", OPTIONAL)
def test_what_may_be_left_out_may_be(pointer: str) -> None:
    less = read_problem(changed(pointer, ...))
    written = write_problem(less)
    assert pointer in _leaves(msgspec.json.decode(written), ""), "its usual value is written out"
    assert read_problem(written) == less


def _leaves(value: object, pointer: str) -> list[str]:
    if isinstance(value, dict):
        inner = [leaf for name in value for leaf in _leaves(value[name], f"{pointer}/{name}")]
        return [*([pointer] if pointer else []), *inner]
    if isinstance(value, list):
        rows = enumerate(value)
        return [pointer, *(leaf for i, v in rows for leaf in _leaves(v, f"{pointer}/{i}"))]
    return [pointer]


def _at(document: Document, pointer: str) -> Any:
    at: Any = document
    for part in pointer.split("/")[1:]:
        at = at[int(part)] if isinstance(at, list) else at[part]
    return at


OPTIONAL_NAMES = {pointer.rsplit("/", 1)[1] for pointer in OPTIONAL}
REQUIRED = [
    pointer
    for pointer in _leaves(DOCUMENT, "")
    if not pointer[-1].isdigit() and pointer.rsplit("/", 1)[1] not in OPTIONAL_NAMES
]


@pytest.mark.parametrize("pointer", REQUIRED)
def test_everything_else_must_be_given(pointer: str) -> None:
    assert pointer in pointers(read_problem, changed(pointer, ...))


def test_defaults_are_as_documented() -> None:
    document = copy.deepcopy(DOCUMENT)
    for pointer in OPTIONAL:
        parent, name = pointer.rsplit("/", 1)
        _at(document, parent).pop(name)
    read = read_problem(msgspec.json.encode(document))
    assert (read.terminal_value_per_kwh, read.turnaround_steps, read.currency) == (0.0, 0, "EUR")
    place, car, trip = read.sites[0], read.vehicles[0], read.bookings[0]
    assert (place.import_co2_g_per_kwh, place.battery, read.sites[1].circuits) == (None, None, ())
    assert (place.evses[1].unavailable, place.evses[0].bidirectional) == ((), False)
    assert (read.sites[1].evses[0].circuit, read.vehicles[1].evse) == (None, None)
    assert (car.max_discharge_w, car.max_dc_power_w, trip.reserve_km) == (0.0, 0.0, 0.0)
    assert (read.bookings[3].vehicle, read.bookings[3].priority) == (None, 1)
    assert (place.peak_price_per_kw, place.peak_so_far_w) == (0.0, 0.0)
    assert place.pv_high_power_w is None
    assert (read.sites[1].phase_limits_w, read.sites[1].flexible_loads) == (None, ())
    assert (place.circuits[0].load_w, place.circuits[1].phase_limits_w) == ((), None)
    assert (place.evses[1].phases, car.taper, read.vehicles[1].ac_phases) == ((), (), 3)


def test_a_high_quantile_of_the_sun_is_at_least_its_median() -> None:
    sun = (1000.0,) * 16
    check_problem(problem(sites=(site(pv_power_w=sun, pv_high_power_w=sun),)))
    place = site(pv_power_w=sun, pv_high_power_w=(1000.0, 999.0, *sun[2:]))
    with pytest.raises(BadInput) as refused:
        check_problem(problem(sites=(place,)))
    assert [each.field for each in refused.value.errors] == ["/sites/0/pv_high_power_w/1"]


def test_a_car_may_come_after_the_horizon_and_a_trip_may_end_there() -> None:
    check_problem(problem(vehicles=(vehicle(available_from=10**6),)))
    check_problem(problem(bookings=(booking(end_step=10**6),)))


def test_prices_and_buildings_may_be_negative() -> None:
    place = site(import_price_per_kwh=(-0.1,) * 16, load_power_w=(-500.0,) * 16)
    check_problem(problem(sites=(place,)))


@pytest.mark.parametrize(
    "case",
    [
        problem(vehicles=(vehicle(soc_wh=float("nan")),)),
        problem(sites=(site(load_power_w=(float("inf"),) * 16),)),
        problem(terminal_value_per_kwh=float("nan")),
        replace(problem(), start=datetime(2026, 6, 15)),  # noqa: DTZ001 - that is the fault
        replace(problem(steps=1, bookings=()), start=datetime(9999, 12, 31, 23, 59, tzinfo=UTC)),
    ],
)
def test_a_typed_problem_is_checked_too(case: Problem) -> None:
    with pytest.raises(BadInput):
        check_problem(case)


def test_a_problem_and_a_plan_survive_writing_and_reading() -> None:
    read = read_problem(BYTES)
    assert read_problem(write_problem(read)) == read
    assert b'"class":"city"' in write_problem(read)
    plan = read_plan((FIXTURES / "plan.json").read_bytes())
    assert read_plan(write_plan(plan)) == plan


PLAN: Document = msgspec.json.decode((FIXTURES / "plan.json").read_bytes())


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/version", 2),
        ("/status", "perfect"),
        ("/cost", None),
        ("/kpis/co2_g", ...),
        ("/unserved/0/code", "BAD_LUCK"),
        ("/stays/0/from_step", 0.5),
        ("/stays/0/site", None),
        ("/charging/1/reasons", "SUN"),
        ("/sites/0/grid_w/2", "much"),
        ("/assignments/0/driver", "me"),
    ],
)
def test_the_wrong_field_of_a_plan_is_named(pointer: str, value: object) -> None:
    document = copy.deepcopy(PLAN)
    parent, name = pointer.rsplit("/", 1)
    at = _at(document, parent)
    if value is ...:
        del at[name]
    else:
        at[int(name) if isinstance(at, list) else name] = value
    assert pointer in pointers(read_plan, msgspec.json.encode(document))


def numbers(value: Any, path: str = "") -> Iterator[str]:
    """Yields where numbers are, the first of each list."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from numbers(each, f"{path}/{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value[:1]):
            yield from numbers(each, f"{path}/{index}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path


def with_all_numbers() -> Document:
    """The fixture with all that a problem may say more."""
    document = copy.deepcopy(DOCUMENT)
    here, car, steps = document["sites"][0], document["vehicles"][0], document["steps"]
    here |= {"move_price": 1.0, "peak_price_per_kw": 1.0, "peak_so_far_w": 1.0}
    here |= {"phase_limits_w": [9000.0] * 3, "co2_price_per_kg": 1.0}
    here["circuits"][0] |= {"phase_limits_w": [3000.0] * 3, "load_w": [[1.0] * steps]}
    load = {"id": "boiler", "max_power_w": 9.0, "store_wh": 9.0, "stored_wh": 1.0, "loss_w": 0.0}
    here["flexible_loads"] = [load | {"demand_w": [0.0] * steps}]
    for evse in here["evses"]:
        evse["phases"] = ["L1"]
    car["taper"] = [[0.0, 3000.0], [car["max_soc_wh"], 1000.0]]
    car["max_dc_power_w"] = car["max_discharge_w"] = 1.0
    car["overrides"] = [{"from_step": 0, "to_step": 1, "kind": "at_most", "power_w": 1.0}]
    return document


RICH = with_all_numbers()


def test_the_rich_problem_is_none_that_is_refused() -> None:
    check_problem(read_problem(msgspec.json.encode(RICH)))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("path", list(numbers(RICH)))
def test_a_number_that_no_float_could_reckon_with_is_refused(path: str, sign: int) -> None:
    document = copy.deepcopy(RICH)
    at: Any = document
    *parents, last = [int(p) if p.isdigit() else p for p in path.split("/")[1:]]
    for part in parents:
        at = at[part]
    at[last] = sign * 1e308
    assert path in pointers(read_problem, msgspec.json.encode(document))
