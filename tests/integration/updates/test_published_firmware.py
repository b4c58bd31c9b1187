"""Firmware that local controllers offer to the stations behind them: REST and real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.builders.uploading import Uploading, uploading
from tests.builders.waiting import until

ON_2X = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
ADDRESS = "/stations/ST-1/firmware-publications"
MD5 = "0123456789abcdef0123456789abcdef"


async def publish(it: Uploading, name: str = "box-4.1.0.bin", **more: Any) -> Any:
    body = {"location": f"https://me:secret@files.example/{name}", "checksum": MD5, **more}
    return await it.house.post(ADDRESS, body)


async def ended(it: Uploading, made: Any, *states: str) -> Any:
    path = f"{ADDRESS}/{made['id']}"
    return await until(lambda: it.house.get(path), lambda shown: shown["state"] in states)


@ON_2X
async def test_firmware_is_published_and_taken_away(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        made = await publish(it, retries=2, retry_interval="PT30S")
        assert made["state"] in {"running", "published"}
        assert made["location"] == "https://********@files.example/box-4.1.0.bin"
        shown = await ended(it, made, "published")
        assert [each["status"] for each in shown["history"]] == [
            "Downloading",
            "Downloaded",
            "ChecksumVerified",
            "Published",
        ]
        assert shown["locations"] == ["http://192.168.1.1/box-4.1.0.bin"]
        assert (shown["retries"], shown["retry_interval"]) == (2, "PT30S")
        path = f"{ADDRESS}/{made['id']}/unpublish"
        assert (await it.house.post(path, {}, 200))["state"] == "withdrawn"
        assert (await it.house.get(ADDRESS))["items"][0]["state"] == "withdrawn"
        events = await it.house.events(f"firmware_publication/{made['id']}")
        assert set(events) == {"firmware_publication.changed"}


@ON_2X
async def test_what_goes_wrong_is_shown_with_its_reason(
    tmp_path: Path, database_url: str, version: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        missing = await ended(it, await publish(it, "missing.bin"), "failed")
        assert (missing["status"], missing["why"]) == (
            "DownloadFailed",
            "the station says DownloadFailed",
        )
        damaged = await ended(it, await publish(it, "damaged.bin"), "failed")
        assert damaged["status"] == "InvalidChecksum"
        it.box.outfit.publisher.fetch_s = 60.0
        running = await publish(it, "slow.bin")
        refused = await publish(it, "other.bin", checksum="f" * 32)
        assert (refused["state"], refused["why"]) == ("refused", "Rejected")
        path = f"{ADDRESS}/{running['id']}/unpublish"
        assert (await it.house.post(path, {}, 409))["code"] == "download-ongoing"


async def test_who_can_not_be_asked_and_what_makes_no_sense(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp1.6") as it:
        body: dict[str, Any] = {"location": "https://files.example/a.bin", "checksum": MD5}
        assert (await it.house.post(ADDRESS, body, 409))["code"] == "not-in-version"
        for field, wrong in (("location", "gopher://a/b"), ("checksum", "12"), ("retries", -1)):
            refused = await it.house.post(ADDRESS, body | {field: wrong}, 422)
            assert refused["errors"][0]["field"] == f"/{field}"
        await it.house.get(f"{ADDRESS}/none", 404)
        await it.house.post(f"{ADDRESS}/none/unpublish", {}, 404)
