"""Any value of a type that `msgspec` knows: for facts that no test has better values for."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

TEXTS = st.sampled_from(["A", "1", "", "x\x00y"[:1], "DEHEL1234567890", "é" * 20])
NUMBERS = st.sampled_from([0, 1, 2, 7, -1, 2**31 - 1])
FLOATS = st.sampled_from([0.0, 1.5, -3.0, 3700.0, 1e18])
PLAIN: dict[type[msgspec.inspect.Type], st.SearchStrategy[Any]] = {
    msgspec.inspect.StrType: TEXTS,
    msgspec.inspect.IntType: NUMBERS,
    msgspec.inspect.FloatType: FLOATS,
    msgspec.inspect.BoolType: st.booleans(),
    msgspec.inspect.NoneType: st.none(),
    msgspec.inspect.BytesType: st.sampled_from([b"", b"{}", b"\x00\xff"]),
    msgspec.inspect.DecimalType: st.sampled_from([Decimal(0), Decimal("-1.5"), Decimal(10**9)]),
    msgspec.inspect.AnyType: st.sampled_from([None, 1, "text", {"a": [1]}]),
}


def any_fact(kind: type[msgspec.Struct], times: st.SearchStrategy[datetime], **known: Any) -> Any:
    """Returns a strategy for a struct.

    Args:
        kind: of it.
        times: what instants may be.
        known: strategies for some of its fields.
    """
    fields = msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]
    made = {
        field.name: known[field.name] if field.name in known else _any(field.type, times)
        for field in fields
        if field.name != "suspect"
    }
    return st.builds(kind, **made)


def _any(of: msgspec.inspect.Type, times: st.SearchStrategy[datetime]) -> Any:  # noqa: PLR0911
    if type(of) in PLAIN:
        return PLAIN[type(of)]
    match of:
        case msgspec.inspect.DateTimeType():
            return times
        case msgspec.inspect.LiteralType():
            return st.sampled_from(of.values)
        case msgspec.inspect.UnionType():
            return st.one_of(*(_any(each, times) for each in of.types))
        case msgspec.inspect.StructType():
            return any_fact(of.cls, times)
        case msgspec.inspect.VarTupleType():
            return st.lists(_any(of.item_type, times), max_size=2).map(tuple)
        case msgspec.inspect.TupleType():
            return st.tuples(*(_any(each, times) for each in of.item_types))
        case msgspec.inspect.DictType():
            return st.dictionaries(_any(of.key_type, times), _any(of.value_type, times), max_size=2)
        case _:
            raise TypeError(f"no values for {of}")
