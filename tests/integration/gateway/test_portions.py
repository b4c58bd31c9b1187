"""Requests about more settings than a station takes at once: in parts, with one outcome."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from csms.intake import Intake
from csms.ledger.batch import MessageNote
from models.errors import Unavailable
from models.facts import Fact, NoteReported
from tests.builders.played_station import SILENCE, PlayedStation, now, played_station

NAMES = [{"component": {"name": "C"}, "variable": {"name": f"V{n}"}} for n in range(3)]
ASKED = {"action": "GetVariables", "payload": {"getVariableData": NAMES}}


@pytest.fixture
async def cs(sqlite_url: str) -> AsyncIterator[PlayedStation]:
    async with played_station(sqlite_url, "2.0.1") as station:
        yield station


async def told(cs: PlayedStation, value: str, name: str = "ItemsPerMessageGetVariables") -> None:
    """Tells how many items a message may have; the name as some stations write it."""
    entry = {
        "component": {"name": "DeviceDataCtrlr"},
        "variable": {"name": name},
        "variableAttribute": [{"value": value}],
    }
    report = {"requestId": 1, "generatedAt": now(), "seqNo": 0, "reportData": [entry]}
    await cs.call("NotifyReport", report)
    await cs.house.activity.quiet()


def accepted(payload: Any) -> Any:
    items = payload["getVariableData"]
    results = [{"attributeStatus": "Accepted", "attributeValue": "1", **each} for each in items]
    return {"getVariableResult": results}


def sizes(cs: PlayedStation) -> list[int]:
    """Returns how many items each request had."""
    return [len(each["getVariableData"]) for name, each in cs.heard if name == "GetVariables"]


@pytest.mark.parametrize("value", ["3", "0", "many", ""])
async def test_what_fits_or_has_no_limit_that_can_be_read_goes_at_once(
    cs: PlayedStation, value: str
) -> None:
    await told(cs, value)
    cs.replies["GetVariables"] = accepted
    await cs.house.post("/stations/CP-1/commands", ASKED, 200)
    assert sizes(cs) == [3]


async def test_a_part_that_is_refused_ends_the_command_and_is_named(cs: PlayedStation) -> None:
    await told(cs, "1")

    def second_refused(payload: Any) -> Any:
        late = payload["getVariableData"][0]["variable"]["name"] == "V1"
        return ("InternalError", "no") if late else accepted(payload)

    cs.replies["GetVariables"] = second_refused
    answer = await cs.house.post("/stations/CP-1/commands", ASKED, 502)
    assert answer["station_code"] == "InternalError"
    assert "part 2 of 3: no" in answer["detail"]
    assert sizes(cs) == [1, 1]


async def test_a_command_in_parts_goes_on_once_the_database_is_back(
    cs: PlayedStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(cs, "1")
    cs.replies["GetVariables"] = accepted
    real, away = Intake.enqueue, ["once"]

    def enqueue(self: Intake, fact: Fact, note: MessageNote | None = None) -> Any:
        if isinstance(fact, NoteReported) and away:
            away.clear()
            raise Unavailable("the database is away")
        return real(self, fact, note)

    monkeypatch.setattr(Intake, "enqueue", enqueue)
    await cs.house.post("/stations/CP-1/commands", ASKED, 200)
    assert sizes(cs) == [1, 1, 1]
    assert not away


async def test_a_part_that_is_not_answered_leaves_it_open_what_was_done(cs: PlayedStation) -> None:
    await told(cs, "2")
    cs.replies["GetVariables"] = lambda payload: (
        accepted(payload) if len(payload["getVariableData"]) > 1 else SILENCE
    )
    answer = await cs.house.post("/stations/CP-1/commands", ASKED, 504)
    assert "part 2 of 2: no answer" in answer["detail"]


async def test_a_1_6_station_is_asked_for_as_many_keys_as_it_allows(sqlite_url: str) -> None:
    async with played_station(sqlite_url, "1.6", come=False) as cp:
        limit = {"key": "GetConfigurationMaxKeys", "readonly": True, "value": "2"}
        cp.replies["GetConfiguration"] = {"configurationKey": [limit]}
        await cp.come()
        await cp.expect("GetConfiguration")
        await cp.house.activity.quiet()

        def reply(payload: Any) -> Any:
            known = [key for key in payload["key"] if key != "C"]
            keys = [{"key": key, "readonly": False, "value": "1"} for key in known]
            unknown = [key for key in payload["key"] if key == "C"]
            return {"configurationKey": keys} | ({"unknownKey": unknown} if unknown else {})

        cp.replies["GetConfiguration"] = reply
        body = {"action": "GetConfiguration", "payload": {"key": ["A", "B", "C"]}}
        answer = (await cp.house.post("/stations/CP-1/commands", body, 200))["response"]
        assert [each["key"] for each in answer["configurationKey"]] == ["A", "B"]
        assert answer["unknownKey"] == ["C"]
        asked = [payload for name, payload in cp.heard if name == "GetConfiguration"][1:]
        assert asked == [{"key": ["A", "B"]}, {"key": ["C"]}]
        await cp.house.activity.quiet()
        shown = (await cp.house.get("/stations/CP-1/variables"))["items"]
        values = {each["variable"]: each["value"] for each in shown}
        assert values == {"GetConfigurationMaxKeys": "2", "A": "1", "B": "1"}
