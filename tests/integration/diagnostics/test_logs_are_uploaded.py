"""Logs of stations: asked for over REST, told over real sockets, uploaded over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from csms.diagnostics.reactions import UploadKeeper
from models.tables.diagnostics import StationLog
from models.tables.ledger import Command, Message
from models.timeline import format_rfc3339
from simulators.triggers import triggered
from tests.builders.uploading import Uploading, uploading

VERSIONS = pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
KINDS = pytest.mark.parametrize("kind", ["diagnostics", "security"])


def off(it: Uploading) -> None:
    """Has the station accept an order and do nothing, so that the test uploads in its place."""
    it.box.outfit.logs.begin = lambda: None  # type: ignore[method-assign]


async def address_of(it: Uploading, log: Any) -> str:
    """Returns where the station was told to upload to."""
    async with it.house.db.read() as session:
        row = await session.get(StationLog, log["id"])
        command = row and await session.get(Command, row.command_id)
    assert command is not None
    return msgspec.json.decode(command.body)["location"]


def folder_of(it: Uploading) -> list[str]:
    folder = it.house.services.settings.upload_folder
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@VERSIONS
@KINDS
async def test_a_station_uploads_its_log(
    tmp_path: Path, database_url: str, version: str, kind: str
) -> None:
    async with uploading(database_url, tmp_path, version) as it:
        asked = await it.ask(kind=kind, retries=2, retry_interval="PT1S")
        assert (asked["state"], asked["location"], asked["file_name"]) == ("requested", None, None)
        log = await it.until(asked["id"], lambda log: log["status"] == "Uploaded")
        assert (log["state"], log["why"]) == ("uploaded", None)
        assert [each["status"] for each in log["history"]] == ["Uploading", "Uploaded"]
        assert log["file_name"].startswith(f"ST-1-{kind}-")
        assert log["file_name"].endswith("Z.gz")
        address = f"/api/v1/stations/ST-1/logs/{log['id']}/file"
        file = await it.http.get(address)
        assert file.headers["content-disposition"] == f'attachment; filename="{log["file_name"]}"'
        assert (file.headers["x-content-type-options"], len(file.content)) == (
            "nosniff",
            log["size_bytes"],
        )
        assert f"ST-1 {kind}: all is well" in gzip.decompress(file.content).decode()
        assert (await it.house.get("/stations/ST-1/logs", state="uploaded"))["items"] == [log]
        events = await it.house.events(f"station_log/{log['id']}")
        assert events[0] == "station_log.requested"
        assert events.count("station_log.ended") == 1
        viewer = it.house.client(await it.house.key("viewer"))
        assert (await viewer.get(address)).status_code == 403
        assert (await viewer.get(address.removesuffix("/file"))).status_code == 200


@VERSIONS
async def test_only_the_time_that_was_asked_for_is_in_it(
    tmp_path: Path, sqlite_url: str, version: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:
        now = it.house.clock.now()
        log = await it.ask(
            from_at=format_rfc3339(now + timedelta(minutes=5)),
            until_at=format_rfc3339(now + timedelta(minutes=8)),
        )
        await it.until(log["id"], lambda log: log["state"] == "uploaded")
        file = await it.http.get(f"/api/v1/stations/ST-1/logs/{log['id']}/file")
        assert len(gzip.decompress(file.content).splitlines()) == 1 + 3


@VERSIONS
@KINDS
async def test_a_station_that_can_not_upload_refuses(
    tmp_path: Path, sqlite_url: str, version: str, kind: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:
        it.box.outfit.logs.upload = None
        log = await it.ask(kind=kind)
        log = await it.until(log["id"], lambda log: log["ended_at"] is not None)
        nothing = version == "ocpp1.6" and kind == "diagnostics"
        why = "the station has nothing of the kind" if nothing else "Rejected"
        assert (log["state"], log["why"]) == ("refused", why)


@VERSIONS
@KINDS
async def test_an_upload_that_fails_is_told_and_another_may_follow(
    tmp_path: Path, sqlite_url: str, version: str, kind: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:

        async def broken(location: str, file: bytes) -> bool:
            return False

        real, it.box.outfit.logs.upload = it.box.outfit.logs.upload, broken
        log = await it.ask(kind=kind)
        log = await it.until(log["id"], lambda log: log["ended_at"] is not None)
        word = "UploadFailed" if (version, kind) == ("ocpp1.6", "diagnostics") else "UploadFailure"
        assert (log["state"], log["why"]) == ("failed", f"the station says {word}")
        it.box.outfit.logs.upload = real
        again = await it.ask(kind=kind)
        assert again["request_id"] == log["request_id"] + 1
        await it.until(again["id"], lambda log: log["state"] == "uploaded")


@VERSIONS
async def test_an_own_location_is_told_and_its_outcome_believed(
    tmp_path: Path, sqlite_url: str, version: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:
        told: list[str] = []

        async def by_ftp(location: str, file: bytes) -> bool:
            told.append(location)
            return True

        it.box.outfit.logs.upload = by_ftp
        log = await it.ask(location="ftp://me:secret@files.example.org/logs/")
        assert log["location"] == "ftp://********@files.example.org/logs/"
        log = await it.until(log["id"], lambda log: log["ended_at"] is not None)
        assert (log["state"], log["file_name"]) == ("uploaded", None)
        assert told == ["ftp://me:secret@files.example.org/logs/"]
        await it.house.get(f"/stations/ST-1/logs/{log['id']}/file", 404)


@VERSIONS
async def test_one_that_only_says_so_has_failed(
    tmp_path: Path, sqlite_url: str, version: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:

        async def lying(location: str, file: bytes) -> bool:
            return True

        it.box.outfit.logs.upload = lying
        log = await it.ask()
        log = await it.until(log["id"], lambda log: log["ended_at"] is not None)
        assert log["why"] == "the station says Uploaded, but nothing has come"
        # Its address is good all the same, as long as its time lasts.
        answer = await it.upload(await address_of(it, log), b"late")
        assert answer.status_code == 200
        log = await it.until(log["id"], lambda log: log["state"] == "uploaded")
        assert (log["why"], log["size_bytes"]) == (None, 4)


@VERSIONS
async def test_what_a_station_tells_unasked_changes_nothing(
    tmp_path: Path, sqlite_url: str, version: str
) -> None:
    async with uploading(sqlite_url, tmp_path, version) as it:
        log = await it.ask()
        log = await it.until(log["id"], lambda log: log["status"] == "Uploaded")
        for message in ("LogStatusNotification", "DiagnosticsStatusNotification"):
            triggered(it.box, message, None, it.house.clock.now())
        async with asyncio.timeout(60):
            while it.box.outbox:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await it.house.activity.quiet()
        assert await it.house.get(f"/stations/ST-1/logs/{log['id']}") == log


async def test_an_address_is_good_for_one_file(tmp_path: Path, database_url: str) -> None:
    async with uploading(database_url, tmp_path, "ocpp2.0.1") as it:
        off(it)
        log = await it.ask()
        address = await address_of(it, log)
        # A name of the station's own goes behind a folder, and is not looked at.
        first = await it.upload(f"{address}/..%2f..%2fetc/passwd", b"PK\x03\x04 no real one")
        assert (first.status_code, first.json()["size_bytes"]) == (200, 16)
        again = await it.upload(address, b"another")
        assert (again.status_code, again.json()["code"]) == (409, "already-uploaded")
        log = await it.until(log["id"], lambda log: log["state"] == "uploaded")
        assert log["file_name"].endswith(".zip")
        assert folder_of(it) == [f"{log['id']}.file"]
        assert it.store.path_of(log["id"]).stat().st_mode & 0o777 == 0o600


async def test_of_two_uploads_at_once_one_is_kept(tmp_path: Path, database_url: str) -> None:
    async with uploading(database_url, tmp_path, "ocpp2.1") as it:
        off(it)
        log = await it.ask()
        address = await address_of(it, log)
        contents = [bytes([65 + n]) * 200_000 for n in range(4)]
        answers = await asyncio.gather(*(it.upload(address, each) for each in contents))
        assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]
        winner = next(n for n, each in enumerate(answers) if each.status_code == 200)
        assert it.store.path_of(log["id"]).read_bytes() == contents[winner]
        assert folder_of(it) == [f"{log['id']}.file"]


async def test_an_unknown_or_late_address_is_not_found(tmp_path: Path, sqlite_url: str) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp1.6") as it:
        off(it)
        base = it.house.services.settings.public_url
        for token in ("A" * 32, "x", "%00", "../logs"):
            assert (await it.upload(f"{base}/uploads/{token}", b"x")).status_code == 404
        log = await it.ask()
        address = await address_of(it, log)
        async with it.house.db.write(it.house.clock, it.house.services.ids) as work:
            await work.session.execute(
                sa.update(StationLog).values(expires_at=it.house.clock.now())
            )
        answer = await it.upload(address, b"late")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
        keeper = it.keeper
        await keeper.stop()
        await keeper.start()  # which looks at what is open
        log = await it.until(log["id"], lambda log: log["ended_at"] is not None)
        assert (log["state"], log["why"]) == ("failed", "no file has come in time")
        assert folder_of(it) == []


async def test_what_is_too_large_is_refused_and_may_be_tried_again(
    tmp_path: Path, sqlite_url: str
) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp2.0.1", upload_max_mib=1) as it:
        off(it)
        log = await it.ask()
        address = await address_of(it, log)
        told = await it.upload(address, b"x" * (2**20 + 1))
        assert (told.status_code, told.json()["detail"]) == (413, "a log has at most 1 MiB")

        async def untold() -> Any:
            for _ in range(20):
                yield b"x" * 100_000

        assert (await it.upload(address, untold())).status_code == 413
        assert folder_of(it) == []
        for content, headers in ((b"", {}), (b"--x", {"content-type": "multipart/form-data"})):
            refused = await it.upload(address, content, headers=headers)
            assert refused.status_code == 422
        assert (await it.upload(address, b"x" * 2**20)).status_code == 200


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path, sqlite_url: str) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp2.1") as it:
        off(it)
        log = await it.ask()
        address = await address_of(it, log)

        async def breaking() -> Any:
            yield b"x" * 100_000
            raise httpx.WriteError("the cable is out")

        with pytest.raises(httpx.WriteError):
            await it.upload(address, breaking())
        async with asyncio.timeout(60):
            while folder_of(it):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await it.upload(address, b"whole")).status_code == 200


async def test_a_station_has_one_log_at_a_time_until_it_is_deleted(
    tmp_path: Path, database_url: str
) -> None:
    async with uploading(database_url, tmp_path, "ocpp2.0.1") as it:
        off(it)
        log = await it.ask()
        address = await address_of(it, log)
        refused = await it.ask(409)
        assert refused["code"] == "log-running"
        await it.house.delete(f"/stations/ST-1/logs/{log['id']}")
        assert (await it.upload(address, b"x")).status_code == 404
        assert (await it.house.events(f"station_log/{log['id']}"))[-1] == "station_log.deleted"
        log = await it.ask()
        assert (await it.upload(await address_of(it, log), b"x")).status_code == 200
        await it.house.delete(f"/stations/ST-1/logs/{log['id']}")
        assert folder_of(it) == []
        await it.house.get(f"/stations/ST-1/logs/{log['id']}", 404)


async def test_the_address_is_told_to_nobody_else(tmp_path: Path, sqlite_url: str) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp2.0.1") as it:
        log = await it.ask()
        token = (await address_of(it, log)).rsplit("/", 1)[1]
        await it.until(log["id"], lambda log: log["status"] == "Uploaded")
        async with it.house.db.read() as session:
            query = sa.select(Message.payload).where(Message.action == "GetLog")
            (kept,) = await session.scalars(query)
        assert "/uploads/********" in str(kept)
        assert token not in str(kept)
        assert token not in (await it.http.get("/api/v1/stations/ST-1/logs")).text


async def test_old_logs_and_stray_files_are_forgotten(tmp_path: Path, sqlite_url: str) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp2.0.1") as it:
        house = it.house
        log = await it.ask()
        await it.until(log["id"], lambda log: log["status"] == "Uploaded")
        folder = house.services.settings.upload_folder
        for name in ("old.file", "young.part", "notes.txt"):
            (folder / name).write_bytes(b"x")
            if name != "young.part":
                os.utime(folder / name, (0, 0))

        def keeper(kept: timedelta) -> UploadKeeper:
            return UploadKeeper(
                db=house.db,
                clock=house.clock,
                ids=house.services.ids,
                activity=house.activity,
                store=it.store,
                kept=kept,
            )

        await keeper(timedelta(days=1)).forget()
        assert folder_of(it) == sorted([f"{log['id']}.file", "notes.txt", "young.part"])
        await keeper(timedelta(0)).forget()
        assert folder_of(it) == ["notes.txt", "young.part"]
        await house.get(f"/stations/ST-1/logs/{log['id']}", 404)


async def test_a_station_that_is_away_can_not_be_asked(tmp_path: Path, sqlite_url: str) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp1.6") as it:
        await it.house.station("ST-2", "A")
        refused = await it.house.post("/stations/ST-2/logs", {}, 409)
        assert refused["code"] == "station-offline"
        await it.house.post("/stations/nobody/logs", {}, 404)
        it.house.set_public_url("")
        services = it.house.services
        object.__setattr__(services.settings, "public_url", None)
        assert (await it.ask(409))["code"] == "no-public-url"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "other"}, "/kind"),
        ({"retries": -1}, "/retries"),
        ({"retry_interval": "soon"}, "/retry_interval"),
        ({"location": "file:///etc"}, "/location"),
        ({"from_at": "yesterday"}, "/from_at"),
        ({"from_at": "2026-06-02T00:00:00Z", "until_at": "2026-06-01T00:00:00Z"}, ""),
    ],
)
async def test_bad_wishes_name_the_field(
    tmp_path: Path, sqlite_url: str, body: dict[str, Any], field: str
) -> None:
    async with uploading(sqlite_url, tmp_path, "ocpp2.1") as it:
        refused = await it.ask(422, **body)
        assert refused["errors"][0]["field"] == field
