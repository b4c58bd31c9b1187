"""The generated structs accept exactly what the schemas accept, for every message."""

from __future__ import annotations

import random
from functools import cache

import msgspec
import pytest

from csms.ocpp import schema
from csms.ocpp.wire import v16, v21, v201
from tests.builders.ocpp_payloads import (
    VERSIONS,
    mutants,
    schema_names,
    schema_of,
    valid,
    wire_name,
)

WIRE = {"1.6": v16, "2.0.1": v201, "2.1": v21}
CASES = [(version, stem) for version in VERSIONS for stem in schema_names(version)]


def struct_of(version: str, stem: str) -> type[msgspec.Struct]:
    name = wire_name(stem)
    wire = WIRE[version]
    if name.endswith("Response"):
        return wire.RESPONSES[name.removesuffix("Response")]
    return wire.REQUESTS[name.removesuffix("Request")]


@cache
def decoder_of(struct: type[msgspec.Struct]) -> msgspec.json.Decoder[msgspec.Struct]:
    return msgspec.json.Decoder(struct)


def struct_accepts(struct: type[msgspec.Struct], document: object) -> bool:
    try:
        decoder_of(struct).decode(msgspec.json.encode(document))
    except msgspec.ValidationError:
        return False
    return True


def schema_accepts(version: str, stem: str, document: object) -> bool:
    # `multipleOf` is left to the schema (see tools/make_wire.py), so that it does not count here.
    found = schema.faults(version, wire_name(stem), document, strict=False)
    return not [fault for fault in found if fault.keyword != "multipleOf"]


@pytest.mark.parametrize(("version", "stem"), CASES)
def test_valid_payloads_are_accepted_by_both(version: str, stem: str) -> None:
    root, struct = schema_of(version, stem), struct_of(version, stem)
    for seed, fullness in enumerate([0.0, 0.5, 1.0]):
        document = valid(root, random.Random(seed), fullness=fullness)
        assert schema_accepts(version, stem, document), document
        assert struct_accepts(struct, document), document


@pytest.mark.parametrize(("version", "stem"), CASES)
def test_one_fault_turns_both_verdicts_together(version: str, stem: str) -> None:
    root, struct = schema_of(version, stem), struct_of(version, stem)
    document = valid(root, random.Random(7), fullness=1.0)
    for pointer, keyword, mutant in mutants(root, document):
        by_schema = schema_accepts(version, stem, mutant)
        assert by_schema == (keyword == ""), (pointer, keyword)
        assert struct_accepts(struct, mutant) == by_schema, (pointer, keyword)


@pytest.mark.parametrize(("version", "stem"), CASES)
def test_decoded_and_encoded_again_a_payload_is_the_same(version: str, stem: str) -> None:
    document = valid(schema_of(version, stem), random.Random(3), fullness=1.0)
    decoded = msgspec.json.decode(msgspec.json.encode(document), type=struct_of(version, stem))
    assert msgspec.json.decode(msgspec.json.encode(decoded)) == document
