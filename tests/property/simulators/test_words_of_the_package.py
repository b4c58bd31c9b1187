"""What the voices write without the package is what the package would have written."""

from __future__ import annotations

import dataclasses
from typing import Any

import ocpp.v16.call
import ocpp.v16.call_result
import ocpp.v16.datatypes
import ocpp.v21.call
import ocpp.v21.call_result
import ocpp.v21.datatypes
import ocpp.v201.call
import ocpp.v201.call_result
import ocpp.v201.datatypes
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocpp.charge_point import (
    camel_to_snake_case,
    remove_nones,
    serialize_as_dict,
    snake_to_camel_case,
)

from simulators.wire import from_wire, to_wire

MODULES = (
    ocpp.v16.call,
    ocpp.v16.call_result,
    ocpp.v16.datatypes,
    ocpp.v201.call,
    ocpp.v201.call_result,
    ocpp.v201.datatypes,
    ocpp.v21.call,
    ocpp.v21.call_result,
    ocpp.v21.datatypes,
)
KINDS = sorted(
    {
        each
        for module in MODULES
        for each in vars(module).values()
        if isinstance(each, type) and dataclasses.is_dataclass(each)
    },
    key=lambda kind: (kind.__module__, kind.__name__),
)
NAMES = sorted({field.name for kind in KINDS for field in dataclasses.fields(kind)})

leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
documents = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


def by_the_package(request: Any) -> Any:
    return remove_nones(snake_to_camel_case(serialize_as_dict(request)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_message_is_written_as_the_package_writes_it(kind: type) -> None:
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    whole = kind(**{name: [{"id_token": number}] for number, name in enumerate(names)})
    assert to_wire(whole) == by_the_package(whole)
    sparse = kind(**{name: None if number % 2 else "1" for number, name in enumerate(names)})
    assert to_wire(sparse) == by_the_package(sparse)


@given(data=documents)
def test_nested_values_are_written_and_read_as_the_package_does(data: Any) -> None:
    inner = ocpp.v16.datatypes.SampledValue(value="1", context=None)
    request = ocpp.v201.call.DataTransfer(vendor_id="x", data=data)
    assert to_wire(request) == by_the_package(request)
    nested = ocpp.v16.call.MeterValues(1, [ocpp.v16.datatypes.MeterValue("now", [inner])])
    assert to_wire(nested) == by_the_package(nested)
    payload = by_the_package(request)
    assert from_wire(payload) == camel_to_snake_case(payload)
