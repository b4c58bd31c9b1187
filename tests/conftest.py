"""What tests of several kinds need: a fresh, migrated database of either kind."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from csms.ledger import migrate
from tests.builders.postgres import MEMORY, PostgresServer

settings.register_profile("same-every-time", derandomize=True)
settings.register_profile("search", settings.get_profile("default"), print_blob=True)
# A change is judged by what it changed, so by the same examples at every run; `make search` looks
# for new ones.
settings.load_profile("same-every-time")

# One test's writes that wait for the disk make all others wait; killed processes lose nothing of
# what lies in memory.
if os.access(MEMORY, os.W_OK):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# Programs that tests start keep what they compile for those that come after them, even where this
# process was told not to: for each of them it is a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_numbers = itertools.count(1)


# As Python does, but for less often among the young.
_COLLECTING = (5_000, 10, 10)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keeps the garbage collector from looking again and again at what was imported.

    That is a million objects that stay.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*_COLLECTING)
        gc.enable()


def pytest_runtest_teardown() -> None:
    """Lets no test change how garbage is collected after it.

    A house that is played within a test sets the process to collect next to nothing
    (`csms.app.calm_collector`). Left so, the tests that follow it heap up gigabytes.
    """
    gc.set_threshold(*_COLLECTING)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Runs a real PostgreSQL."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """Returns the name of a migrated database to copy."""
    postgres_server.run("CREATE DATABASE template_heliofleet")
    migrate.upgrade(postgres_server.url("template_heliofleet"))
    return "template_heliofleet"


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """Returns the url of an empty PostgreSQL database."""
    yield from _postgres_copy(postgres_server, "template1")


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Returns the url of a fresh, migrated SQLite file."""
    path = tmp_path / "heliofleet.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """Returns the url of a fresh, migrated PostgreSQL database."""
    yield from _postgres_copy(postgres_server, postgres_template)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Returns the url of a fresh, migrated database; the test runs on both kinds."""
    kind = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return request.getfixturevalue(kind)


def _postgres_copy(server: PostgresServer, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    server.run(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.url(name)
    server.run(f"DROP DATABASE {name} WITH (FORCE)")
