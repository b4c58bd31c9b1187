"""`/stations/{identity}/firmware-updates` and `/campaigns` over REST: asked for, shown, refused."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from models.tables.charging import Transaction
from models.tables.updates import CampaignStation
from models.timeline import format_rfc3339
from tests.builders.rest_house import RestHouse, frame

LOCATION = "https://me:secret@fw.example.org/box-2.0.bin"
MASKED = "https://********@fw.example.org/box-2.0.bin"


async def connected(house: RestHouse, identity: str = "CP-1", version: str = "ocpp1.6") -> Any:
    """Returns the link of a new station that has booted."""
    made = await house.station(identity, "A")
    return await house.connect(identity, made["password"], version)


def a_campaign(**more: Any) -> dict[str, Any]:
    return {
        "name": "all",
        "stations": {"site_id": "A"},
        "firmware": {"location": LOCATION, "firmware_version": "2.0"},
        "waves": {"size": 2, "pause": "PT10M"},
        **more,
    }


async def test_an_update_is_asked_for_and_shown(house: RestHouse) -> None:
    await house.site(id="A")
    link = await connected(house)
    address = "/stations/CP-1/firmware-updates"
    body = {"location": LOCATION, "retries": 2, "retry_interval": "PT5M"}
    answer = await house.http.post(f"/api/v1{address}", json=body)
    made = answer.json()
    assert (answer.status_code, made["state"]) == (201, "requested")
    assert answer.headers["Location"] == f"/api/v1{address}/{made['id']}"
    assert (made["location"], made["retry_interval"]) == (MASKED, "PT300S")
    assert await house.get(f"{address}/{made['id']}") == made
    assert (await house.get(address))["items"] == [made]
    call = msgspec.json.decode(await link.recv())
    assert call[2] == "UpdateFirmware"
    assert call[3]["location"] == LOCATION
    assert (call[3]["retries"], call[3]["retryInterval"]) == (2, 300)
    refused = await house.post(address, body, 409)
    assert refused["code"] == "update-running"
    assert await house.events(f"firmware_update/{made['id']}") == ["firmware_update.requested"]
    await house.get(f"{address}/nobody", 404)
    await link.send(frame([3, call[1], {}]))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/location"),
        ({"location": "nowhere"}, "/location"),
        ({"location": "file:///etc/passwd"}, "/location"),
        ({"location": "https:///fw.bin"}, "/location"),
        ({"location": LOCATION, "retry_interval": "5 minutes"}, "/retry_interval"),
        ({"location": LOCATION, "retry_interval": "P2M"}, "/retry_interval"),
        ({"location": LOCATION, "retry_interval": 300}, "/retry_interval"),
        ({"location": LOCATION, "retries": -1}, "/retries"),
        ({"location": LOCATION, "signature": "c2ln"}, ""),
        ({"location": LOCATION, "signing_certificate": "x", "signature": "c2ln"}, None),
        ({"location": LOCATION, "install_at": "2027-01-01T00:00:00Z"}, "/install_at"),
        ({"location": LOCATION, "install_at": "tomorrow"}, "/install_at"),
        ({"location": LOCATION, "retrieve_at": "8999-01-01T00:00:00Z"}, "/retrieve_at"),
    ],
)
async def test_bad_updates_name_the_field(
    small_house: RestHouse, body: dict[str, Any], field: str | None
) -> None:
    await small_house.site(id="A")
    await connected(small_house)
    refused = await small_house.post("/stations/CP-1/firmware-updates", body, 422)
    if field is not None:
        assert refused["errors"][0]["field"] == field


async def test_a_station_that_is_away_can_not_be_asked(small_house: RestHouse) -> None:
    await small_house.site(id="A")
    await small_house.station("CP-1", "A")
    address = "/stations/CP-1/firmware-updates"
    refused = await small_house.post(address, {"location": LOCATION}, 409)
    assert refused["code"] == "station-offline"
    await small_house.post("/stations/NONE/firmware-updates", {"location": LOCATION}, 404)
    async with small_house.client(await small_house.key("viewer")) as viewer:
        asked = await viewer.post(f"/api/v1{address}", json={"location": LOCATION})
        assert asked.status_code == 403


async def test_what_a_station_tells_unasked_is_shown(house: RestHouse) -> None:
    await house.site(id="A")
    link = await connected(house)
    for number, word in enumerate(("Downloading", "Idle")):
        said = [2, f"m{number}", "FirmwareStatusNotification", {"status": word}]
        await link.send(frame(said))
        assert msgspec.json.decode(await link.recv())[0] == 3
    shown = (await house.get("/stations/CP-1/firmware-statuses"))["items"]
    assert [(each["status"], each["update_id"]) for each in shown] == [
        ("Idle", None),
        ("Downloading", None),
    ]


async def test_a_preview_says_who_is_in_and_why_others_are_not(house: RestHouse) -> None:
    await house.site(id="A")
    for identity in ("ST-1", "ST-2", "ST-3"):
        await connected(house, identity)
    await house.station("ST-4", "A")
    now = house.clock.now()
    async with house.db.write(house.clock, house.services.ids) as work:
        charging = Transaction(
            id="t1",
            station="ST-2",
            evse_id=1,
            ocpp_transaction_id="1",
            started_at=now,
            received_at=now,
            updated_at=now,
        )
        work.session.add(charging)
    busy = {"location": LOCATION}
    await house.post("/stations/ST-3/firmware-updates", busy)
    shown = await house.post("/campaigns/preview", a_campaign(), 200)
    found = {each["station"]: (each["verdict"], each["why"]) for each in shown["stations"]}
    assert found == {
        "ST-1": ("ready", None),
        "ST-2": ("waits", "charging now"),
        "ST-3": ("waits", "another update is under way"),
        "ST-4": ("waits", "offline"),
    }
    assert (shown["ready"], shown["waits"], shown["left_out"]) == (1, 3, 0)
    later = {"location": LOCATION, "install_at": format_rfc3339(now + timedelta(days=1))}
    shown = await house.post("/campaigns/preview", a_campaign(firmware=later), 200)
    assert shown["left_out"] == 3
    assert "only with a signature" in shown["stations"][0]["why"]
    assert (await house.get("/campaigns"))["items"] == []


async def test_a_campaign_is_made_held_and_broken_off(house: RestHouse) -> None:
    await house.site(id="A")
    for number in range(4):
        await house.station(f"ST-{number}", "A")
    body = a_campaign(waves={"share": 0.3}, abort_above={"share": 0.5})
    made = await house.post("/campaigns", body)
    address = f"/campaigns/{made['id']}"
    assert (made["state"], made["wave_size"], made["max_failures"]) == ("running", 2, 2)
    assert made["progress"]["waiting"] == made["progress"]["total"] == 4
    assert made["change"]["location"] == MASKED
    assert await house.get(address) == made
    assert (await house.post(f"{address}/pause", {}, 200))["state"] == "paused"
    assert (await house.post(f"{address}/pause", {}, 200))["state"] == "paused"
    assert (await house.get("/campaigns", state="paused"))["items"][0]["id"] == made["id"]
    assert (await house.post(f"{address}/resume", {}, 200))["state"] == "running"
    ended = await house.post(f"{address}/abort", {}, 200)
    assert (ended["state"], ended["why"]) == ("aborted", "by key:bootstrap")
    assert (await house.post(f"{address}/resume", {}, 409))["code"] == "campaign-over"
    stations = (await house.get(f"{address}/stations", limit=3))["items"]
    assert [each["station"] for each in stations] == ["ST-0", "ST-1", "ST-2"]
    assert await house.events(f"campaign/{made['id']}") == [
        "campaign.created",
        "campaign.paused",
        "campaign.resumed",
        "campaign.aborted",
    ]
    await house.get("/campaigns/nobody", 404)


async def test_a_report_is_json_or_a_table_without_formulas(house: RestHouse) -> None:
    await house.site(id="A")
    await house.station("=1+1", "A")
    made = await house.post("/campaigns", a_campaign())
    async with house.db.write(house.clock, house.services.ids) as work:
        row = await work.session.get(CampaignStation, (made["id"], "=1+1"))
        assert row is not None
        row.why, row.state, row.started_at = 'it says "no", twice', "failed", house.clock.now()
    address = f"/campaigns/{made['id']}/report"
    report = await house.get(address)
    assert report["campaign"]["progress"]["failed"] == 1
    assert report["stations"][0]["station"] == "=1+1"
    answer = await house.http.get(f"/api/v1{address}", params={"format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (told,) = csv.DictReader(io.StringIO(answer.text))
    assert (told["station"], told["why"]) == ("'=1+1", 'it says "no", twice')
    assert told["started_at"].endswith("Z")
    await house.get(address, 422, format="pdf")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"stations": {}}, "/stations"),
        ({"stations": {"site_id": "B"}}, "/stations"),
        ({"stations": {"identities": ["CP-1", "CP-2"]}}, "/stations/identities/1"),
        ({"stations": {"identities": ["CP-1", "CP-1"]}}, "/stations"),
        ({"firmware": None}, ""),
        ({"waves": {}}, "/waves"),
        ({"waves": {"size": 0}}, "/waves/size"),
        ({"waves": {"size": 1, "share": 0.5}}, "/waves"),
        ({"waves": {"share": 1.5}}, "/waves/share"),
        ({"waves": {"size": 1, "pause": "-PT5M"}}, "/waves/pause"),
        ({"abort_above": {}}, "/abort_above"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "/ends_at"),
        ({"window": {"from": "22:00", "until": "22:00", "timezone": "UTC"}}, "/window"),
        ({"window": {"from": "22:00", "until": "6", "timezone": "UTC"}}, "/window/until"),
        (
            {"window": {"from": "22:00", "until": "06:00", "timezone": "Mars/Base"}},
            "/window/timezone",
        ),
        (
            {"firmware": None, "configuration": {"variables": []}},
            "/configuration/variables",
        ),
        (
            {
                "firmware": None,
                "configuration": {"variables": [{"name": "AuthorizationKey", "value": "x"}]},
            },
            "/configuration/variables/0",
        ),
    ],
)
async def test_bad_campaigns_name_the_field(
    small_house: RestHouse, change: dict[str, Any], field: str
) -> None:
    await small_house.site(id="A")
    await small_house.station("CP-1", "A")
    for address in ("/campaigns", "/campaigns/preview"):
        refused = await small_house.post(address, a_campaign(**change), 422)
        assert refused["errors"][0]["field"] == field, refused


async def test_of_many_who_ask_at_once_one_has_it(house: RestHouse) -> None:
    await house.site(id="A")
    await connected(house)
    address = "/api/v1/stations/CP-1/firmware-updates"
    asked = [house.http.post(address, json={"location": LOCATION}) for _ in range(8)]
    codes = sorted(answer.status_code for answer in await asyncio.gather(*asked))
    assert codes == [201] + [409] * 7
