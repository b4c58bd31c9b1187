"""What transactions cost, by tariffs, and what their stations are told of it."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.notices import Ended
from tests.builders.paying import Paying, a_tariff, paying

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
ON_ALL = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])


async def priced(it: Paying, **fields: Any) -> None:
    """Gives the site a tariff."""
    await it.house.post("/tariffs", a_tariff(**fields))
    await it.house.patch("/sites/A", {"tariff_id": "day"})


async def costs(it: Paying, transaction: Any, cost: str) -> Any:
    """Returns the transaction once it costs so much."""
    path = f"/transactions/{transaction['id']}"
    return await it.until(path, lambda shown: shown if shown["cost"] == cost else None)


@ON_ALL
async def test_a_transaction_costs_what_its_tariff_says(database_url: str, version: str) -> None:
    async with paying(database_url, version) as it:
        await priced(it, max_cost="4.00")
        transaction = await it.charge()
        shown = await costs(it, transaction, "0.50")
        assert (shown["tariff_id"], shown["currency"]) == ("day", "EUR")
        it.draw(2500.0)
        await costs(it, transaction, "1.50")
        parts = await it.house.get(f"/transactions/{transaction['id']}/cost")
        assert (parts["energy_wh"], float(parts["energy_cost"])) == (2500.0, 1.0)
        assert (parts["fixed_fee"], float(parts["idle_cost"])) == ("0.50", 0.0)
        # A tariff that changes meanwhile is for those who come later.
        await it.house.patch("/tariffs/day", {"energy_price_per_kwh": "9.00"})
        it.draw(20_000.0)
        it.box.unplug(1, it.house.clock.now())
        ended = await costs(it, transaction, "4.00")
        assert ended["energy_wh"] == 22_500
        page = await it.house.get("/transactions", station="ST-1")
        assert page["items"][0]["cost"] == "4.00"


async def test_the_station_s_own_tariff_goes_before_the_site_s(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp2.0.1") as it:
        await priced(it)
        await it.house.post("/tariffs", a_tariff(id="own", currency="CHF", fixed_fee="2.00"))
        await it.house.patch("/stations/ST-1", {"tariff_id": "own"})
        transaction = await it.charge()
        assert (transaction["cost"], transaction["currency"]) == ("2.00", "CHF")
        await it.house.delete("/tariffs/own", 409)
        await it.house.patch("/stations/ST-1", {"tariff_id": None})
        await it.house.delete("/tariffs/own")
        # What it took from the tariff stays with it.
        it.draw(1000.0)
        await costs(it, transaction, "2.40")


@ON_2X
async def test_a_station_shows_what_the_rest_door_sends(sqlite_url: str, version: str) -> None:
    async with paying(sqlite_url, version) as it:
        await priced(it)
        transaction = await it.charge()
        updates = f"/transactions/{transaction['id']}/cost-updates"
        await it.house.post(updates, {}, 200)
        assert it.till.shown == {transaction["ocpp_transaction_id"]: 0.5}
        await it.house.post(updates, {"total_cost": "3.20"}, 200)
        assert it.till.shown == {transaction["ocpp_transaction_id"]: 3.2}
        refused = await it.house.post(updates, {"total_cost": "-1"}, 422)
        assert refused["errors"][0]["field"] == "/total_cost"
        it.box.unplug(1, it.house.clock.now())
        await it.until(f"/transactions/{transaction['id']}", lambda t: t["stopped_at"])
        assert (await it.house.post(updates, {}, 409))["code"] == "transaction-over"


@ON_2X
async def test_a_running_cost_is_told_by_itself_where_the_tariff_says_so(
    database_url: str, version: str
) -> None:
    async with paying(database_url, version) as it:
        await priced(it, tell_cost="running", cost_step_wh=1000.0)
        transaction = await it.charge()
        it.draw(400.0)
        await costs(it, transaction, "0.66")
        answered = await it.soon(lambda: it.till.shown.get(transaction["ocpp_transaction_id"]))
        assert answered in (0.5, 0.66)
        query = {"action": "CostUpdated"}
        assert (await it.house.get("/stations/ST-1/messages", **query))["items"] == []
        it.draw(700.0)
        await costs(it, transaction, "0.94")
        (told,) = await it.until(
            "/stations/ST-1/messages", lambda page: page["items"] or None, **query
        )
        assert told["payload"]["totalCost"] == 0.94
        it.draw(100.0)
        it.box.unplug(1, it.house.clock.now())
        await costs(it, transaction, "0.98")
        # The answer to the end has the whole.
        await it.soon(lambda: it.till.shown[transaction["ocpp_transaction_id"]] == 0.98)
        assert len((await it.house.get("/stations/ST-1/messages", **query))["items"]) == 1


@ON_2X
async def test_without_being_asked_for_nothing_is_told(sqlite_url: str, version: str) -> None:
    async with paying(sqlite_url, version) as it:
        await priced(it)
        transaction = await it.charge()
        it.draw(5000.0)
        await costs(it, transaction, "2.50")
        it.box.unplug(1, it.house.clock.now())
        await it.until(f"/transactions/{transaction['id']}", lambda t: t["stopped_at"])
        assert it.till.shown == {}


async def test_a_transaction_goes_on_by_another_tariff(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp2.1") as it:
        await priced(it)
        await it.house.post("/tariffs", a_tariff(id="night", energy_price_per_kwh="0.10"))
        await it.house.post("/tariffs", a_tariff(id="franc", currency="CHF"))
        transaction = await it.charge()
        it.draw(1000.0)
        await costs(it, transaction, "0.90")
        path = f"/transactions/{transaction['id']}/tariff"
        shown = await it.house.put(path, {"tariff_id": "night"})
        assert (shown["tariff_id"], shown["cost"]) == ("night", "0.90")
        changed = it.till.changed[transaction["ocpp_transaction_id"]]
        assert (changed["tariff_id"], changed["energy"]["prices"][0]["price_kwh"]) == ("night", 0.1)
        it.draw(1000.0)
        await costs(it, transaction, "1.00")
        refused = await it.house.put(path, {"tariff_id": "franc"}, 409)
        assert refused["code"] == "no-currency-change"
        refused = await it.house.put(path, {"tariff_id": "nothing"}, 422)
        assert refused["errors"][0]["field"] == "/tariff_id"


async def test_energy_that_a_person_puts_right_costs_as_much_less(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp1.6") as it:
        await priced(it)
        transaction = await it.charge()
        kept = it.box.evses[1].transaction
        assert kept is not None
        it.draw(5000.0)
        await costs(it, transaction, "2.50")
        it.box.unplug(1, it.house.clock.now())
        await it.until(f"/transactions/{transaction['id']}", lambda t: t["stopped_at"])
        # The box tells its end once more, and otherwise.
        sample = it.box.evses[1].sample(it.house.clock.now())
        it.box.outbox.append(Ended(kept, sample, 9, "Remote", offline=False))
        odd = await it.until(
            "/reconciliation",
            lambda page: next((e for e in page["items"] if e["kind"] == "second-stop"), None),
        )
        choice = {"choice": "correct", "energy_wh": 1000.0}
        await it.house.post(f"/reconciliation/{odd['id']}/resolve", choice, 200)
        await costs(it, transaction, "0.90")


async def test_bad_tariffs_are_refused_by_field(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp2.1") as it:
        for wrong, field in (
            ({"currency": "euro"}, "/currency"),
            ({"energy_price_per_kwh": 0.4}, "/energy_price_per_kwh"),
            ({"energy_price_per_kwh": "-0.4"}, "/energy_price_per_kwh"),
            ({"elements": [{"start_time": "25:00"}]}, "/elements/0/start_time"),
            ({"elements": [{"days": ["FUNDAY"]}]}, "/elements/0/days/0"),
            ({"cost_interval": "PT1S"}, "/cost_interval"),
            ({"min_cost": "2", "max_cost": "1"}, ""),
        ):
            refused = await it.house.post("/tariffs", a_tariff(**wrong), 422)
            assert refused["errors"][0]["field"] == field, refused
        made = await it.house.post("/tariffs", a_tariff(cost_interval="PT5M"))
        assert made["cost_interval"] == "PT300S"
        changed = await it.house.patch("/tariffs/day", {"max_cost": "10"})
        assert (changed["max_cost"], changed["cost_interval"]) == ("10", "PT300S")
        refused = await it.house.patch("/sites/A", {"tariff_id": "nothing"}, 422)
        assert refused["errors"][0]["field"] == "/tariff_id"
        viewer = it.house.client(await it.house.key("viewer"))
        assert (await viewer.post("/api/v1/tariffs", json=a_tariff(id="x"))).status_code == 403
        assert (await it.house.get("/tariffs"))["items"][0]["id"] == "day"
