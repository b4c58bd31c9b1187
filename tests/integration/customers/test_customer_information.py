"""What stations know of people: over REST and real sockets, in 2.0.1 and 2.1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from models.tables.customers import CustomerPart
from tests.builders.forgetting import look_a_year_later
from tests.builders.uploading import Uploading, uploading
from tests.builders.waiting import until

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
ADDRESS = "/stations/ST-1/customer-information"


async def ask(it: Uploading, **question: Any) -> Any:
    """Asks about somebody; returns what the station has told once it has ended."""
    asked = await it.house.post(ADDRESS, question)
    path = f"{ADDRESS}/{asked['id']}"
    return await until(lambda: it.house.get(path), lambda shown: shown["ended_at"] is not None)


@ON_2X
async def test_a_station_tells_and_forgets_what_it_knows_of_a_person(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        customers = it.box.outfit.customers
        customers.remember("CARD-1", "Ada charged on Monday\n")
        customers.remember("CARD-1", "and on Tuesday: 12 kWh\n")
        told = await ask(it, id_token="CARD-1")
        assert (told["state"], told["parts"]) == ("complete", 2)
        assert told["text"] == "Ada charged on Monday\nand on Tuesday: 12 kWh\n"
        assert told["asked"]["id_token"] == "CARD-1"
        cleared = await ask(it, id_token="CARD-1", report=False, clear=True)
        assert (cleared["state"], cleared["parts"], cleared["text"]) == ("complete", 0, "")
        nothing = await ask(it, id_token="CARD-1")
        assert (nothing["state"], nothing["parts"], nothing["text"]) == ("complete", 1, "")


@ON_2X
async def test_a_person_can_be_named_by_identifier_or_certificate(
    tmp_path: Path, sqlite_url: str, version: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:
        it.box.outfit.customers.remember("ada", "Ada")
        assert (await ask(it, customer_identifier="ada", clear=True))["text"] == "Ada"
        refused = await ask(it, customer_identifier="?!")
        assert (refused["state"], refused["why"]) == ("refused", "Invalid")
        it.box.outfit.customers.remember("ab12", "the holder of a certificate")
        certificate = {
            "issuer_name_hash": "aa",
            "issuer_key_hash": "bb",
            "serial_number": "ab12",
        }
        told = await ask(it, certificate=certificate)
        assert told["text"] == "the holder of a certificate"
        for body in (
            {},
            {"id_token": "A", "customer_identifier": "B"},
            {"id_token": "A", "report": False},
        ):
            await it.house.post(ADDRESS, body, 422)


@ON_2X
async def test_only_who_may_see_people_sees_it_and_it_is_forgotten(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        it.box.outfit.customers.remember("CARD-1", "Ada charged on Monday")
        first = await ask(it, id_token="CARD-1")
        driver = it.house.client(await it.house.key("driver"))
        for path in (ADDRESS, f"{ADDRESS}/{first['id']}"):
            assert (await driver.get(f"/api/v1{path}")).status_code == 403
        listed = (await driver.get("/api/v1/stations/ST-1/inquiries")).json()["items"]
        assert [(each["subject"], each["asked"]) for each in listed] == [("customer", None)]
        said = await driver.get("/api/v1/messages", params={"action": "NotifyCustomerInformation"})
        assert "Ada" not in said.text
        viewer = it.house.client(await it.house.key("viewer"))
        assert (await viewer.get(f"/api/v1{ADDRESS}")).json()["items"] == [first]
        assert (await viewer.delete(f"/api/v1{ADDRESS}/{first['id']}")).status_code == 403
        await it.house.delete(f"{ADDRESS}/{first['id']}")
        await it.house.get(f"{ADDRESS}/{first['id']}", 404)
        await ask(it, id_token="CARD-1")
        await look_a_year_later(it.house)
        assert (await it.house.get(ADDRESS))["items"] == []
        async with it.house.db.read() as session:
            assert list(await session.scalars(sa.select(CustomerPart.data))) == []


async def test_16_knows_no_such_question(tmp_path: Path, sqlite_url: str) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp1.6") as it:
        assert (await it.house.post(ADDRESS, {"id_token": "A"}, 409))["code"] == "not-in-version"
        await it.house.get("/stations/nobody/customer-information", 404)
