"""Tariffs that 2.1 stations hold, and payments at them, over REST and real sockets."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.notices import Payment, VatQuestion
from tests.builders.forgetting import look_a_year_later
from tests.builders.paying import Paying, a_tariff, paying

TARIFFS = "/stations/ST-1/tariffs"
DEFAULT = "/stations/ST-1/default-tariff"


async def held(it: Paying) -> list[tuple[str, int, str]]:
    """Returns what the house knows of the tariffs in the station."""
    items = (await it.house.get(TARIFFS))["items"]
    return [(each["tariff_id"], each["evse_id"], each["state"]) for each in items]


async def status_of(it: Paying, body: dict[str, Any]) -> str:
    return (await it.house.put(DEFAULT, body))["response"]["status"]


async def test_a_station_takes_holds_and_clears_tariffs(database_url: str) -> None:
    async with paying(database_url, "ocpp2.1") as it:
        night = {
            "energy_price_per_kwh": "0.20",
            "start_time": "22:00",
            "end_time": "06:00",
            "days": ["MONDAY"],
        }
        await it.house.post(
            "/tariffs", a_tariff(elements=[night], idle_price_per_hour="6", max_cost="30")
        )
        await it.house.post("/tariffs", a_tariff(id="other"))
        refused = await it.house.put(DEFAULT, {}, 409)
        assert refused["code"] == "no-tariff"
        await it.house.patch("/sites/A", {"tariff_id": "day"})
        assert await status_of(it, {}) == "Accepted"
        sent = it.till.defaults[0]
        assert sent["energy"]["prices"] == [
            {
                "price_kwh": 0.2,
                "conditions": {
                    "start_time_of_day": "22:00",
                    "end_time_of_day": "06:00",
                    "day_of_week": ["Monday"],
                },
            },
            {"price_kwh": 0.4},
        ]
        assert sent["idle_time"]["prices"] == [{"price_minute": 0.1}]
        assert (sent["fixed_fee"]["prices"], sent["max_cost"]) == (
            [{"price_fixed": 0.5}],
            {"incl_tax": 30.0},
        )
        assert await held(it) == [("day", 0, "held")]
        assert await status_of(it, {"tariff_id": "other", "evse_id": 2}) == "Accepted"
        assert await held(it) == [("day", 0, "held"), ("other", 2, "held")]
        # Somebody else takes one away; a report says so.
        del it.till.defaults[2]
        await it.house.post(f"{TARIFFS}/report", {}, 200)
        assert await held(it) == [("day", 0, "held"), ("other", 2, "missing")]
        told = await it.house.post(f"{TARIFFS}/clear", {"tariff_ids": ["day", "ghost"]}, 200)
        assert [each["status"] for each in told["response"]["clearTariffsResult"]] == [
            "Accepted",
            "NoTariff",
        ]
        assert await held(it) == [("day", 0, "cleared"), ("other", 2, "missing")]
        told = await it.house.post(f"{TARIFFS}/report", {}, 200)
        assert told["response"]["status"] == "NoTariff"


async def test_a_tariff_that_a_station_refuses_is_shown_as_refused(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp2.1") as it:
        many = [{"energy_price_per_kwh": "0.1", "days": ["MONDAY"]} for _ in range(9)]
        await it.house.post("/tariffs", a_tariff(elements=many))
        assert await status_of(it, {"tariff_id": "day"}) == "TooManyElements"
        assert await held(it) == [("day", 0, "refused")]
        (row,) = (await it.house.get(TARIFFS))["items"]
        assert (row["why"], row["wished"], row["kind"]) == (
            "TooManyElements",
            True,
            "DefaultTariff",
        )


async def test_other_versions_hold_no_tariffs(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp2.0.1") as it:
        await it.house.post("/tariffs", a_tariff())
        refused = await it.house.put(DEFAULT, {"tariff_id": "day"}, 409)
        assert refused["code"] == "not-in-version"
        await it.house.station("ST-2", "A")
        refused = await it.house.post("/stations/ST-2/tariffs/report", {}, 409)
        assert refused["code"] == "station-offline"
        await it.house.post("/stations/nobody/tariffs/clear", {}, 404)


async def test_payments_at_a_terminal_are_kept_and_given_a_receipt(database_url: str) -> None:
    async with paying(database_url, "ocpp2.1") as it:
        transaction = await it.charge()
        now = it.house.clock.now()
        company = {"name": "Acme", "address1": "Ring 1", "city": "Wien", "country": "AT"}
        first = Payment(
            "psp-1",
            12.34,
            now,
            transaction_id=transaction["ocpp_transaction_id"],
            vat_number="ATU 13585627",
            company=company,
        )
        it.box.outbox.append(first)
        it.box.outbox.append(Payment("psp-2", 5.0, now, status="Failed", receipt_id="R-7"))
        await it.soon(lambda: len(it.till.receipts) == 2)
        second, kept = (await it.house.get("/settlements"))["items"]
        assert (kept["psp_ref"], kept["amount"], kept["status"]) == ("psp-1", "12.34", "Settled")
        assert it.till.receipts == {"psp-1": kept["receipt_id"], "psp-2": "R-7"}
        assert kept["ocpp_transaction_id"] == transaction["ocpp_transaction_id"]
        assert (kept["vat_number"], kept["company"]["city"]) == ("ATU13585627", "Wien")
        assert (second["receipt_id"], second["status"]) == ("R-7", "Failed")
        # Told again, it is the same payment with the same receipt.
        it.till.receipts.clear()
        it.box.outbox.append(first)
        await it.soon(lambda: it.till.receipts)
        assert it.till.receipts == {"psp-1": kept["receipt_id"]}
        query = {"ocpp_transaction_id": transaction["ocpp_transaction_id"]}
        assert (await it.house.get("/settlements", **query))["items"] == [kept]
        assert await it.house.get(f"/settlements/{kept['id']}") == kept
        assert await it.house.events(f"settlement/{kept['id']}") == ["settlement.reported"]
        # Whose number it is is known from then on.
        it.box.outbox.append(VatQuestion("ATU13585627", 1))
        it.box.outbox.append(VatQuestion("ATU13585626"))
        await it.soon(lambda: len(it.till.vat_numbers) == 2)
        assert it.till.vat_numbers == {"ATU13585627": True, "ATU13585626": False}
        wrong, right = (await it.house.get("/stations/ST-1/vat-checks"))["items"]
        assert (right["accepted"], right["evse_id"], right["company"]["name"]) == (True, 1, "Acme")
        assert (wrong["accepted"], wrong["why"]) == (False, "its check digits are wrong")
        await look_a_year_later(it.house)
        assert (await it.house.get("/stations/ST-1/vat-checks"))["items"] == []
        # Settlements are money, and stay.
        assert len((await it.house.get("/settlements"))["items"]) == 2


async def test_a_payment_on_the_web_is_announced(sqlite_url: str) -> None:
    async with paying(sqlite_url, "ocpp2.1") as it:
        path = "/stations/ST-1/web-payments"
        await it.house.post(path, {"evse_id": 2, "timeout_s": 90}, 200)
        assert it.till.web_payments == [(2, 90)]
        refused = await it.house.post(path, {"evse_id": 2, "timeout_s": 0}, 422)
        assert refused["errors"][0]["field"] == "/timeout_s"


@pytest.mark.parametrize("amount", [0.0, -3.5, 1e300])
async def test_odd_amounts_are_kept(sqlite_url: str, amount: float) -> None:
    async with paying(sqlite_url, "ocpp2.1") as it:
        it.box.outbox.append(Payment("psp-1", amount, it.house.clock.now()))
        await it.soon(lambda: it.till.receipts)
        (kept,) = (await it.house.get("/settlements"))["items"]
        assert float(kept["amount"]) == min(amount, 1e12)
