"""What did not add up, over REST: listed with what was done, and put right by a person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from csms.gateway.memory import MemoryLink
from tests.builders.rest_house import RestHouse, served

LONG = "/reconciliation/" + 5000 * "9"


async def said(link: MemoryLink, number: str, action: str, payload: dict[str, Any]) -> Any:
    await link.send(msgspec.json.encode([2, number, action, payload]).decode())
    while (answer := msgspec.json.decode(await link.recv()))[1] != number:
        pass
    assert answer[0] == 3, answer
    return answer[2]


def a_start(connector: int, minute: int) -> dict[str, Any]:
    return {
        "connectorId": connector,
        "idTag": "ADA",
        "meterStart": 1000,
        "timestamp": f"2026-06-15T05:{minute:02}:00Z",
    }


def a_stop(number: int, meter: int, minute: int) -> dict[str, Any]:
    at = f"2026-06-15T05:{minute:02}:00Z"
    return {"transactionId": number, "meterStop": meter, "timestamp": at, "reason": "Local"}


@pytest.fixture
async def link(stepped_on_both: RestHouse) -> AsyncIterator[MemoryLink]:
    """Station CP-1, which is strict."""
    house = stepped_on_both
    await house.fleet("mia-1")
    made = await house.station("CP-1", "A", strict=True, evses=[{"evse_id": 1}, {"evse_id": 2}])
    await house.post("/id-tokens", {"id_token": "ADA", "type": "ISO14443"})
    connected = await house.connect("CP-1", made["password"])
    yield connected
    await connected.close()


@pytest.fixture
async def odd(stepped_on_both: RestHouse, link: MemoryLink) -> RestHouse:
    """CP-1 has begun two transactions, and ended one of them under a wrong number."""
    await said(link, "1", "StartTransaction", a_start(1, 10))
    await said(link, "2", "StartTransaction", a_start(2, 20))
    await said(link, "3", "StopTransaction", a_stop(999, 5000, 40))
    await stepped_on_both.activity.quiet()
    return stepped_on_both


async def listed(house: RestHouse, **query: Any) -> list[dict[str, Any]]:
    return (await house.get("/reconciliation", **query))["items"]


async def transaction(house: RestHouse, evse_id: int) -> dict[str, Any]:
    rows = (await house.get("/transactions", station="CP-1"))["items"]
    return next(row for row in rows if row["evse_id"] == evse_id)


async def test_each_oddity_says_what_was_done_and_what_can_be(odd: RestHouse) -> None:
    everything = await listed(odd)
    kinds = [each["kind"] for each in everything]
    assert kinds == ["transaction-unknown", "vehicle-unknown", "vehicle-unknown"]
    unknown = everything[0]
    assert "999" in unknown["detail"]
    assert unknown["done"] == "It was kept as it came, and answered. It changed no transaction."
    assert unknown["choices"] == ["keep", "assign"]
    assert everything[1]["choices"] == ["keep", "vehicle"]
    assert await odd.get(f"/reconciliation/{unknown['id']}") == unknown
    assert await listed(odd, kind="transaction-unknown") == [unknown]
    assert await listed(odd, site_id="A") == everything
    assert await listed(odd, station="CP-A") == []
    assert await listed(odd, open="false") == []
    assert (await odd.get("/stations/CP-1/reconciliation"))["items"] == everything
    mine = await transaction(odd, 1)
    assert len(await listed(odd, transaction_id=mine["id"])) == 1
    for path in ("/reconciliation/99999", "/reconciliation/x", f"/reconciliation/{2**70}", LONG):
        await odd.get(path, 404)
    await odd.get("/reconciliation", 404, station="none")
    await odd.get("/reconciliation", 404, site_id="none")


async def test_a_told_end_is_given_to_its_transaction(odd: RestHouse) -> None:
    (unknown,) = await listed(odd, kind="transaction-unknown")
    path = f"/reconciliation/{unknown['id']}/resolve"
    mine = await transaction(odd, 2)
    body = {"choice": "assign", "transaction_id": mine["id"], "note": "seen on its display"}
    after = await odd.post(path, body, 200)
    assert (after["choice"], after["note"], after["choices"]) == ("assign", body["note"], [])
    assert after["resolved_at"] is not None
    assert after["resolved_by"].startswith("key:")
    assert after["former"]["stopped_at"] is None
    ended = await transaction(odd, 2)
    assert (ended["stopped_at"], ended["energy_wh"]) == ("2026-06-15T05:40:00Z", 4000.0)
    assert ended["suspect"] == ["corrected"]
    assert "transaction.repaired" in await odd.events(f"transaction/{mine['id']}")
    assert await odd.events(f"reconciliation/{unknown['id']}") == ["reconciliation.resolved"]
    assert (await odd.post(path, {"choice": "keep"}, 409))["code"] == "already-resolved"
    assert [each["id"] for each in await listed(odd, open="false")] == [unknown["id"]]


async def test_an_end_in_the_future_was_told_by_a_box_with_a_wrong_clock(
    odd: RestHouse, link: MemoryLink
) -> None:
    told = {**a_stop(998, 5000, 40), "timestamp": "2099-01-01T00:00:00Z"}
    await said(link, "4", "StopTransaction", told)
    newest, _ = await listed(odd, kind="transaction-unknown")
    mine = await transaction(odd, 2)
    body = {"choice": "assign", "transaction_id": mine["id"]}
    await odd.post(f"/reconciliation/{newest['id']}/resolve", body, 200)
    ended = await transaction(odd, 2)
    assert (ended["stopped_at"], ended["energy_wh"]) == (newest["created_at"], 4000.0)
    assert set(ended["suspect"]) == {"time-ahead", "corrected"}


async def test_a_car_is_given_to_a_transaction_of_nobody(odd: RestHouse) -> None:
    mine = await transaction(odd, 1)
    (oddity,) = await listed(odd, transaction_id=mine["id"])
    path = f"/reconciliation/{oddity['id']}/resolve"
    wrong = await odd.post(path, {"choice": "vehicle", "vehicle_id": "none"}, 422)
    assert wrong["errors"][0]["field"] == "/vehicle_id"
    await odd.post(path, {"choice": "vehicle", "vehicle_id": "mia-1"}, 200)
    assert (await transaction(odd, 1))["vehicle_id"] == "mia-1"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"choice": "correct", "energy_wh": 1.0}, "/choice"),
        ({"choice": "dance"}, "/choice"),
        ({}, "/choice"),
        ({"choice": "keep", "energy_wh": 5.0}, "/energy_wh"),
        ({"choice": "assign"}, "/transaction_id"),
        ({"choice": "assign", "transaction_id": "none"}, "/transaction_id"),
        ({"choice": "keep", "note": 5}, "/note"),
    ],
)
async def test_a_choice_that_makes_no_sense_changes_nothing(
    odd: RestHouse, body: dict[str, Any], field: str
) -> None:
    (unknown,) = await listed(odd, kind="transaction-unknown")
    problem = await odd.post(f"/reconciliation/{unknown['id']}/resolve", body, 422)
    assert [each["field"] for each in problem["errors"]] == [field]
    assert await listed(odd, kind="transaction-unknown") == [unknown]


async def test_an_end_is_not_taken_from_who_has_told_it(odd: RestHouse, link: MemoryLink) -> None:
    (unknown,) = await listed(odd, kind="transaction-unknown")
    mine = await transaction(odd, 1)
    await said(link, "4", "StopTransaction", a_stop(int(mine["ocpp_transaction_id"]), 3000, 50))
    body = {"choice": "assign", "transaction_id": mine["id"]}
    refused = await odd.post(f"/reconciliation/{unknown['id']}/resolve", body, 409)
    assert refused["code"] == "transaction-ended"


async def test_who_may_only_look_resolves_nothing(odd: RestHouse) -> None:
    (unknown,) = await listed(odd, kind="transaction-unknown")
    async with odd.client(await odd.key("viewer")) as viewer:
        path = f"/api/v1/reconciliation/{unknown['id']}"
        assert (await viewer.get(path)).status_code == 200
        assert (await viewer.post(f"{path}/resolve", json={"choice": "keep"})).status_code == 403


async def test_who_may_not_see_people_sees_no_tokens(odd: RestHouse) -> None:
    async with odd.client(await odd.key("driver")) as driver:
        for path in ("reconciliation", "transactions", "reservations"):
            shown = await driver.get(f"/api/v1/{path}")
            assert shown.status_code == 200
            assert "ADA" not in shown.text
        (unknown, *_) = (await driver.get("/api/v1/reconciliation")).json()["items"]
        assert unknown["raw"] == "********"
        one = await driver.get(f"/api/v1/reconciliation/{unknown['id']}")
        assert one.json()["raw"] == "********"
        (mine, *_) = (await driver.get("/api/v1/transactions")).json()["items"]
        assert mine["id_token"] == "********"
        assert (await driver.get("/api/v1/reservations?id_token=ADA")).status_code == 403
    async with served(odd) as http:
        key = await odd.key("driver")
        said = await first_events(http, {"Authorization": f"Bearer {key}"})
        assert "transaction.started" in said
        assert "id_token.created" not in said
        assert "ADA" not in said
        assert '"id_token":"********"' in said
        assert "ADA" in await first_events(http, {})


async def first_events(http: httpx.AsyncClient, more: dict[str, str]) -> str:
    """Returns the first events there are about tokens and transactions, as they were sent."""
    kinds = ["id_token.created", "transaction.started", "transaction.updated"]
    query = {"type": kinds}
    headers = {"Last-Event-ID": "0", **more}
    lines: list[str] = []
    async with http.stream("GET", "/api/v1/events", params=query, headers=headers) as answer:
        async for line in answer.aiter_lines():
            lines.append(line)
            if line.startswith("data:") and sum(each.startswith("data:") for each in lines) >= 2:
                return "\n".join(lines)
    raise AssertionError("the stream has ended")


async def test_a_wrong_energy_is_put_right_and_stays_so(odd: RestHouse, link: MemoryLink) -> None:
    mine = await transaction(odd, 1)
    number = int(mine["ocpp_transaction_id"])
    (nobodys,) = await listed(odd, transaction_id=mine["id"])
    await said(link, "4", "StopTransaction", a_stop(number, 3000, 50))
    await said(link, "5", "StopTransaction", a_stop(number, 9000, 55))
    (second,) = await listed(odd, kind="second-stop")
    path = f"/reconciliation/{second['id']}/resolve"
    for wrong, field in (
        ({"choice": "correct"}, "/energy_wh"),
        ({"choice": "correct", "energy_wh": -1.0}, "/energy_wh"),
        ({"choice": "correct", "stopped_at": "2026-06-15T05:09:59Z"}, "/stopped_at"),
        ({"choice": "correct", "stopped_at": "2026-06-15T06:00:01Z"}, "/stopped_at"),
    ):
        assert (await odd.post(path, wrong, 422))["errors"][0]["field"] == field
    right = {"choice": "correct", "energy_wh": 8000.0, "stopped_at": "2026-06-15T05:55:00Z"}
    after = await odd.post(path, right, 200)
    assert after["former"]["energy_wh"] == 2000.0
    assert after["former"]["stopped_at"] == "2026-06-15T05:50:00Z"
    await said(link, "6", "StopTransaction", a_stop(number, 9999, 58))
    now = await transaction(odd, 1)
    assert (now["energy_wh"], now["stopped_at"]) == (8000.0, "2026-06-15T05:55:00Z")
    assert set(now["suspect"]) == {"second-stop", "corrected"}
    await odd.post(f"/reconciliation/{nobodys['id']}/resolve", {"choice": "keep"}, 200)


async def test_meter_values_that_come_late_do_not_undo_a_correction(
    odd: RestHouse, link: MemoryLink
) -> None:
    mine = await transaction(odd, 1)
    number = int(mine["ocpp_transaction_id"])
    await said(link, "4", "StopTransaction", a_stop(number, 3000, 50))
    await said(link, "5", "StopTransaction", a_stop(number, 9000, 55))
    (second,) = await listed(odd, kind="second-stop")
    right = {"choice": "correct", "energy_wh": 1500.0, "stopped_at": "2026-06-15T05:55:00Z"}
    await odd.post(f"/reconciliation/{second['id']}/resolve", right, 200)
    values = [{"value": "9000", "measurand": "Energy.Active.Import.Register"}]
    late = [{"timestamp": "2026-06-15T05:54:00Z", "sampledValue": values}]
    body = {"connectorId": 1, "transactionId": number, "meterValue": late}
    await said(link, "6", "MeterValues", body)
    now = await transaction(odd, 1)
    assert (now["energy_wh"], now["stopped_at"]) == (1500.0, "2026-06-15T05:55:00Z")
    kept = (await odd.get(f"/transactions/{mine['id']}/meter-values"))["items"]
    assert 9000.0 in [each["energy_wh"] for each in kept]
