"""Requests in portions, and answers joined again."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from csms.ocpp.portions import PORTIONED, joined, portions

_encode = msgspec.json.encode


def parts(action: str, payload: Any, most: int) -> list[Any]:
    found = portions(PORTIONED[action], _encode(payload), most)
    return [msgspec.json.decode(each) for each in found]


def test_each_portion_keeps_what_is_not_the_list() -> None:
    asked = {"getVariableData": [1, 2, 3], "customData": {"vendorId": "x"}}
    found = parts("GetVariables", asked, 2)
    assert [each["getVariableData"] for each in found] == [[1, 2], [3]]
    assert all(each["customData"] == {"vendorId": "x"} for each in found)


def test_a_request_without_a_list_asks_for_everything_and_is_one() -> None:
    assert parts("GetConfiguration", {}, 1) == [{}]


def test_answers_are_joined_in_order_and_lists_that_nobody_sent_stay_out() -> None:
    answers = [_encode({"configurationKey": [1]}), _encode({"configurationKey": [2, 3]})]
    assert msgspec.json.decode(joined("GetConfiguration", answers)) == {
        "configurationKey": [1, 2, 3]
    }


@pytest.mark.parametrize("bad", [b"[]", b'{"getVariableResult": 1}', b"{", b"\xff"])
def test_an_answer_of_no_use_is_what_is_judged(bad: bytes) -> None:
    good = _encode({"getVariableResult": []})
    assert joined("GetVariables", [good, bad]) == bad
