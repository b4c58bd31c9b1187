"""The page of actions keeps its word: each has an effect, an endpoint and a test."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from csms.app import rest_document
from csms.ocpp.dialects import Dialect
from csms.ocpp.versions import DIALECTS
from tools.make_ocpp_coverage import effects

ROOT = Path(__file__).parents[3]
COUNTS = {"1.6": 39, "2.0.1": 64, "2.1": 91}
"""The SEND of 2.1 included."""
EFFECTS = list(effects())


@cache
def functions_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, functions))


def endpoints() -> set[str]:
    """Returns `METHOD /path` of all endpoints."""
    paths = rest_document()["paths"]
    return {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in paths.items()
        for method in methods
    }


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.version)
def test_each_action_has_one_effect(dialect: Dialect) -> None:
    version, lines = dialect.version, dialect.coverage()
    assert len(lines) == COUNTS[version]
    told = Counter(action for of, action, _ in EFFECTS if of == version)
    assert not [action for action, times in told.items() if times > 1]
    assert set(told) == {line.action for line in lines}
    by_hand = [line.action for line in lines if not line.detail]
    assert not by_hand, "to be sent word by word only is no effect"


def test_each_endpoint_is_there() -> None:
    assert not {effect.door for _, _, effect in EFFECTS} - endpoints()


def test_each_test_is_there_and_says_what_it_does() -> None:
    for _, action, effect in EFFECTS:
        file, _, name = effect.test.partition("::")
        assert name in functions_in(file), (action, effect.test)
        assert len(effect.does) > 15, action
        assert effect.does.endswith("."), action
