"""`heliofleet db backup` and `db restore`: a house is built again from one file, or left alone."""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from csms.ledger import migrate
from csms.ledger.lock import ServeLock
from tests.builders.command_line import outcome
from tests.builders.postgres import programs_directory
from tests.builders.schema import differences

Heliofleet = Callable[..., tuple[int, str, str]]


@pytest.fixture
def heliofleet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Heliofleet:
    """Runs a command of the house at an address, whose key stands in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{programs_directory()}{os.pathsep}{os.environ['PATH']}")

    def run(house: str, url: str, *arguments: object) -> tuple[int, str, str]:
        (tmp_path / house).mkdir(exist_ok=True)
        monkeypatch.setenv("HELIOFLEET_DATABASE_URL", url)
        monkeypatch.setenv("HELIOFLEET_SECRET_KEY_FILE", str(tmp_path / house / "the.key"))
        return outcome(monkeypatch, capsys, *map(str, arguments))

    return run


@pytest.fixture
def other_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> str:
    """Returns the url of an empty database of the same kind."""
    if database_url.startswith("postgresql:"):
        return request.getfixturevalue("empty_postgres_url")
    (tmp_path / "other").mkdir()
    return f"sqlite:///{tmp_path / 'other' / 'fleet.db'}"


def fill(heliofleet: Heliofleet, url: str) -> None:
    """Makes a key, and gives out transaction ids up to 41."""
    assert heliofleet("house", url, "api-key", "create", "--role", "admin")[0] == 0
    give_out(url, 41)


def give_out(url: str, number: int) -> None:
    statement = f"INSERT INTO sequence (name, value) VALUES ('transaction', {number})"
    migrate.run_on(url, lambda connection: connection.exec_driver_sql(statement))


def contents(url: str) -> dict[str, list[Any]]:
    """Returns all rows of all tables, in an order that does not depend on the database."""

    def look(connection: sa.Connection) -> dict[str, list[Any]]:
        return {
            name: sorted(map(tuple, connection.exec_driver_sql(f"SELECT * FROM {name}")), key=repr)
            for name in sorted(sa.inspect(connection).get_table_names())
        }

    return migrate.run_on(url, look)


def test_a_house_is_built_again_elsewhere(
    heliofleet: Heliofleet, database_url: str, other_url: str, tmp_path: Path
) -> None:
    fill(heliofleet, database_url)
    code, said, complaint = heliofleet("house", database_url, "db", "backup", "b.tar.gz", "--json")
    assert (code, complaint) == (0, "")
    made = msgspec.json.decode(said)
    assert made["manifest"]["schema"] == migrate.head()
    assert made["bytes"] == (tmp_path / "b.tar.gz").stat().st_size
    code, said, complaint = heliofleet("other", other_url, "db", "restore", "b.tar.gz")
    assert (code, complaint) == (0, "")
    assert f"schema {migrate.head()}, as of 20" in said
    before, after = contents(database_url), contents(other_url)
    assert before.pop("sequence") == [("transaction", 41)]
    assert after.pop("sequence") == [("reservation", 1_000_000), ("transaction", 1_000_041)]
    assert len(before["api_key"]) == 1
    assert after == before
    key = tmp_path / "other" / "the.key"
    assert key.read_bytes() == (tmp_path / "house" / "the.key").read_bytes()
    written = [key, tmp_path / "b.tar.gz"]
    if other_url.startswith("sqlite"):
        written.append(tmp_path / "other" / "fleet.db")
    assert [path.stat().st_mode & 0o777 for path in written] == [0o600] * len(written)
    assert differences(other_url) == []
    assert list(tmp_path.glob(".*")) == []


def test_data_and_keys_are_replaced_only_when_told(
    heliofleet: Heliofleet, database_url: str, other_url: str
) -> None:
    fill(heliofleet, database_url)
    heliofleet("house", database_url, "db", "backup", "b.tar.gz")
    migrate.upgrade(other_url)
    give_out(other_url, 7)
    restore = ("other", other_url, "db", "restore", "b.tar.gz")
    code, said, complaint = heliofleet(*restore)
    assert (code, said) == (1, "")
    assert complaint == "heliofleet: the database has data: `--force` replaces it\n"
    assert contents(other_url)["sequence"] == [("transaction", 7)]
    assert heliofleet(*restore, "--force")[0] == 0
    assert contents(other_url)["sequence"] == [
        ("reservation", 1_000_000),
        ("transaction", 1_000_041),
    ]


def test_an_older_schema_takes_the_place_of_a_newer_one(
    heliofleet: Heliofleet, database_url: str, other_url: str
) -> None:
    migrate.downgrade(database_url, "0001")
    migrate.upgrade(other_url)
    heliofleet("house", other_url, "api-key", "create", "--role", "admin")
    code, _, complaint = heliofleet("house", database_url, "db", "backup", "b.tar.gz")
    assert (code, complaint) == (0, "")
    code, _, complaint = heliofleet("house", other_url, "db", "restore", "b.tar.gz", "--force")
    assert (code, complaint) == (0, "")
    assert migrate.current(other_url) == "0001"
    migrate.upgrade(other_url)
    assert differences(other_url) == []


def test_another_key_is_replaced_only_when_told(
    heliofleet: Heliofleet, sqlite_url: str, tmp_path: Path
) -> None:
    fill(heliofleet, sqlite_url)
    heliofleet("house", sqlite_url, "db", "backup", "b.tar.gz")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "the.key").write_text("ab" * 32)
    restore = ("other", f"sqlite:///{tmp_path / 'new.db'}", "db", "restore", "b.tar.gz")
    code, _, complaint = heliofleet(*restore)
    assert code == 1
    assert complaint.endswith("the.key holds another secret key: `--force` replaces it\n")
    assert not (tmp_path / "new.db").exists()
    assert heliofleet(*restore, "--force")[0] == 0


def test_a_backup_is_one_instant_while_others_write(
    heliofleet: Heliofleet, sqlite_url: str, tmp_path: Path
) -> None:
    fill(heliofleet, sqlite_url)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with ServeLock(path), sqlite3.connect(path, isolation_level=None) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("UPDATE sequence SET value = 42")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE sequence SET value = 43")
        code, _, complaint = heliofleet("house", sqlite_url, "db", "backup", "b.tar.gz")
        assert (code, complaint) == (0, "")
        writer.execute("COMMIT")
        code, _, complaint = heliofleet("house", sqlite_url, "db", "restore", "b.tar.gz", "--force")
        assert code == 1
        assert "is served by process" in complaint
    writer.close()
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert heliofleet("other", other, "db", "restore", "b.tar.gz")[0] == 0
    assert contents(other)["sequence"] == [("reservation", 1_000_000), ("transaction", 1_000_042)]


def test_what_a_former_database_had_not_taken_in_is_not_played_into_the_new_one(
    heliofleet: Heliofleet, sqlite_url: str
) -> None:
    fill(heliofleet, sqlite_url)
    heliofleet("house", sqlite_url, "db", "backup", "b.tar.gz")
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    path.write_bytes(b"no database any more")
    path.with_name(path.name + "-wal").write_bytes(b"left by a crash")
    assert heliofleet("house", sqlite_url, "db", "restore", "b.tar.gz")[0] == 2
    assert heliofleet("house", sqlite_url, "db", "restore", "b.tar.gz", "--force")[0] == 0
    assert contents(sqlite_url)["sequence"] == [
        ("reservation", 1_000_000),
        ("transaction", 1_000_041),
    ]


def repacked(backup: Path, **changed: bytes | None) -> bytes:
    """Returns a backup with other members: by their stem, None leaves one out."""
    out = io.BytesIO()
    with tarfile.open(backup) as old, tarfile.open(fileobj=out, mode="w:gz") as new:
        for member in old:
            source = old.extractfile(member)
            assert source is not None
            content = changed.get(member.name.partition(".")[0], source.read())
            if content is not None:
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_a_broken_or_foreign_archive_is_one_line_and_exit_2(
    heliofleet: Heliofleet, sqlite_url: str, tmp_path: Path
) -> None:
    fill(heliofleet, sqlite_url)
    good = tmp_path / "b.tar.gz"
    heliofleet("house", sqlite_url, "db", "backup", good)
    with tarfile.open(good) as archive:
        file = archive.extractfile("manifest.json")
        assert file is not None
        manifest = msgspec.json.decode(file.read())

    def manifest_with(**changed: object) -> bytes:
        return repacked(good, manifest=msgspec.json.encode({**manifest, **changed}))

    whole = good.read_bytes()
    (tmp_path / "bad.tar.gz").mkdir()
    for broken, line in (
        (None, "bad.tar.gz: Is a directory"),
        (b"", "bad.tar.gz is broken, or no backup of Heliofleet: "),
        (b"not an archive", "bad.tar.gz is broken, or no backup of Heliofleet: "),
        (whole[: len(whole) // 2], "bad.tar.gz is broken, or no backup of Heliofleet: "),
        (whole[:400] + b"\0" * 40 + whole[440:], "bad.tar.gz is broken"),
        (repacked(good, data=None), "bad.tar.gz is broken, or no backup of Heliofleet: "),
        (repacked(good, data=b"other"), "bad.tar.gz is broken: its contents are not those"),
        (repacked(good, manifest=b"[]"), "bad.tar.gz is no backup of Heliofleet: manifest.json: "),
        (manifest_with(format=2), "bad.tar.gz has format 2; this program reads format 1"),
        (manifest_with(kind="postgresql"), "bad.tar.gz is a backup of postgresql, the database"),
        (manifest_with(schema="9999"), "the database has schema 9999, this program knows up to"),
    ):
        if broken is not None:
            if (tmp_path / "bad.tar.gz").is_dir():
                (tmp_path / "bad.tar.gz").rmdir()
            (tmp_path / "bad.tar.gz").write_bytes(broken)
        other = f"sqlite:///{tmp_path / 'other.db'}"
        code, said, complaint = heliofleet("other", other, "db", "restore", "bad.tar.gz")
        assert (code, said) == (2, ""), complaint
        assert complaint.startswith(f"heliofleet: {line}")
        assert complaint.count("\n") == 1
        assert not (tmp_path / "other.db").exists()
        assert list((tmp_path / "other").iterdir()) == []


def test_what_is_not_there_is_not_backed_up(
    heliofleet: Heliofleet, sqlite_url: str, tmp_path: Path
) -> None:
    backup = ("db", "backup", "b.tar.gz")
    assert "there is no secret key file" in heliofleet("house", sqlite_url, *backup)[2]
    fill(heliofleet, sqlite_url)
    for url, line in (
        (f"sqlite:///{tmp_path / 'none.db'}", "there is no database"),
        ("sqlite://", "a database in memory has no backup"),
    ):
        code, _, complaint = heliofleet("house", url, *backup)
        assert code == 2
        assert line in complaint
    assert not (tmp_path / "none.db").exists()
    assert not (tmp_path / "b.tar.gz").exists()


def test_without_the_programs_of_postgresql_one_line_says_so(
    heliofleet: Heliofleet, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(heliofleet, postgres_url)
    heliofleet("house", postgres_url, "db", "backup", "b.tar.gz")
    monkeypatch.setenv("PATH", str(tmp_path))
    for arguments, program in (
        (("backup", "c.tar.gz"), "pg_dump"),
        (("restore", "b.tar.gz", "--force"), "pg_restore"),
    ):
        code, said, complaint = heliofleet("house", postgres_url, "db", *arguments)
        assert (code, said) == (1, "")
        assert complaint.startswith(f"heliofleet: {program} is not on the PATH: ")
    assert contents(postgres_url)["sequence"] == [("transaction", 41)]
