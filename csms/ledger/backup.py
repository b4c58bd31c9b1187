"""Backup and restore: one `.tar.gz` that a house can be built from again.

It holds `manifest.json`, the secret key file, without which no password and no API key of the data
can be checked, and the data. A backup is written beside its name and renamed when it is whole; a
restore has read and checked all of it before it touches anything. How rows leave a database and
enter it is in `csms.ledger.dumps`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import secrets
import shutil
import tarfile
import tempfile
import zlib
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from csms.config import Settings
from csms.keyring import Keyring
from csms.ledger import dumps, migrate
from csms.ledger.lock import ServeLock
from models.errors import BadInput, Conflict

FORMAT = 1
MANIFEST = "manifest.json"
KEY = "heliofleet.key"
DATA = "data"
_MANIFEST_MAX_BYTES = 65536

Kind = Literal["sqlite", "postgresql"]


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself, as `manifest.json`."""

    format: int
    kind: Kind
    """Of the database. Data is not carried over from one kind to the other."""
    schema: str
    """The revision of the schema."""
    made_at: datetime
    sha256: dict[str, str]
    """Of the two other members, in hexadecimal digits."""


def back_up(settings: Settings, file: Path, made_at: datetime) -> Manifest:
    """Writes the backup of a house to `file`, with mode 0600; a former one is replaced.

    Raises:
        BadInput: if there is no database or no key.
        Unavailable: if the database can't be read.
        OSError: if `file` can't be written.
    """
    kind = _kind(settings)
    if not settings.key_file.exists():
        raise BadInput(f"there is no secret key file {settings.key_file}: set where it is")
    Keyring.load(settings.key_file)
    # Beside the backup, where there must be room for it anyway.
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        key, data = Path(folder, KEY), Path(folder, DATA)
        _write_private(key, settings.key_file.read_bytes())
        if kind == "sqlite":
            database = _sqlite_file(settings)
            if not database.exists():
                raise BadInput(f"there is no database {database}")
            dumps.dump_sqlite(database, data)
            schema = migrate.current(f"sqlite:///{data}")
        else:
            schema = migrate.current(settings.database_url)
            dumps.dump_postgres(settings.database_url, data)
        if schema is None:
            raise BadInput("the database has no schema yet: there is nothing to back up")
        hashes = {KEY: _sha256(key), DATA: _sha256(data)}
        manifest = Manifest(FORMAT, kind, schema, made_at, hashes)
        draft = Path(folder, "draft")
        _pack(draft, manifest, key, data)
        draft.replace(file)
    return manifest


def restore(settings: Settings, file: Path, *, force: bool) -> Manifest:
    """Builds the house of a backup: key file and data, both with mode 0600.

    The 1.6 transaction ids and the numbers of reservations jump by `dumps.IDS_SKIPPED`, because
    those given out since the backup must not be given out again.

    Args:
        settings: say where database and key file go.
        file: the backup.
        force: replace a database that has rows, and another key.

    Raises:
        BadInput: if `file` is no whole backup, or one of another kind of database.
        SchemaAhead: if a newer program made it.
        Conflict: if something is in the way, or a service runs on the database.
        Unavailable: if the database can't be reached.
    """
    kind = _kind(settings)
    beside = _sqlite_file(settings).parent if kind == "sqlite" else None
    with tempfile.TemporaryDirectory(prefix=".heliofleet-restore.", dir=beside) as folder:
        manifest = _unpack(file, Path(folder))
        key, data = Path(folder, KEY), Path(folder, DATA)
        if manifest.kind != kind:
            raise BadInput(
                f"{file} is a backup of {manifest.kind}, the database url is of {kind}:"
                " data is not carried over"
            )
        migrate.refuse_newer(manifest.schema)
        if kind == "sqlite":
            database = _sqlite_file(settings)
            with ServeLock(database):
                _refuse_to_replace(settings, key, force=force, fresh=not database.exists())
                dumps.skip_ids_of_sqlite(data)
                _put_key(key, settings.key_file)
                dumps.put_sqlite(data, database)
        else:
            _refuse_to_replace(settings, key, force=force, fresh=False)
            dumps.put_postgres(data, settings.database_url, manifest.schema)
            _put_key(key, settings.key_file)
    return manifest


def _kind(settings: Settings) -> Kind:
    if settings.database_url == "sqlite://":
        raise BadInput("a database in memory has no backup: set HELIOFLEET_DATABASE_URL")
    return "sqlite" if settings.database_url.startswith("sqlite:") else "postgresql"


def _sqlite_file(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite:///"))


def _refuse_to_replace(settings: Settings, key: Path, *, force: bool, fresh: bool) -> None:
    """Passes where a restore destroys nothing, or was told that it may."""
    if force:
        return
    if not fresh and dumps.has_rows(settings.database_url):
        raise Conflict("the database has data: `--force` replaces it")
    there = settings.key_file
    if there.exists() and there.read_bytes().split() != key.read_bytes().split():
        raise Conflict(f"{there} holds another secret key: `--force` replaces it")


def _put_key(key: Path, place: Path) -> None:
    """Puts the key file in its place, which may be on another file system, in one step."""
    draft = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
    _write_private(draft, key.read_bytes())
    draft.replace(place)


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pack(out: Path, manifest: Manifest, key: Path, data: Path) -> None:
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=6) as archive:
            text = msgspec.json.format(msgspec.json.encode(manifest))
            archive.addfile(_member(MANIFEST, len(text), manifest.made_at), io.BytesIO(text))
            for path in (key, data):
                with path.open("rb") as file:
                    size = path.stat().st_size
                    archive.addfile(_member(path.name, size, manifest.made_at), file)
        raw.flush()
        os.fsync(raw.fileno())


def _member(name: str, size: int, made_at: datetime) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    member.mtime = int(made_at.timestamp())
    return member


def _unpack(file: Path, folder: Path) -> Manifest:
    """Takes the three members out, whatever else an archive may hold, and checks them.

    Raises:
        BadInput: if they are not those of a whole backup.
    """
    try:
        with file.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:gz") as archive:
            for name in (MANIFEST, KEY, DATA):
                source = archive.extractfile(name)
                if source is None:
                    raise BadInput(f"{file} is no backup of Heliofleet: {name} is no file")
                handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "wb") as out:
                    shutil.copyfileobj(source, out)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError) as error:
        raise BadInput(
            f"{file} is broken, or no backup of Heliofleet: {error.args[0] if error.args else ''}"
        ) from None
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BadInput(f"{file}: {error.strerror}") from None
    manifest = _manifest(file, folder / MANIFEST)
    if manifest.sha256 != {name: _sha256(folder / name) for name in (KEY, DATA)}:
        raise BadInput(f"{file} is broken: its contents are not those that were put in")
    Keyring.load(folder / KEY)
    return manifest


def _manifest(file: Path, path: Path) -> Manifest:
    text = path.read_bytes()[:_MANIFEST_MAX_BYTES]
    try:
        found = msgspec.json.decode(text, type=dict[str, msgspec.Raw])["format"]
        number = msgspec.json.decode(found, type=int)
        if number != FORMAT:
            raise BadInput(f"{file} has format {number}; this program reads format {FORMAT}")
        return msgspec.json.decode(text, type=Manifest)
    except (msgspec.MsgspecError, KeyError) as error:
        raise BadInput(f"{file} is no backup of Heliofleet: {MANIFEST}: {error}") from None
