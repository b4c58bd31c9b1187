"""Nothing is answered before it is on disk, and no failure is answered as a success."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from models.tables.access import IdempotentAnswer
from tests.builders.rest_house import RestHouse, a_site


def fail_commits(house: RestHouse, error: Exception) -> Any:
    def refuse(_: sa.Connection) -> None:
        raise error

    engine = house.db.write_engine.sync_engine
    sa.event.listen(engine, "commit", refuse)
    return lambda: sa.event.remove(engine, "commit", refuse)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError("COMMIT", {}, Exception("disk I/O error")), 503),
        (RuntimeError("a bug"), 500),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_a_failed_commit_is_never_a_success(
    house: RestHouse, error: Exception, status: int, headers: dict[str, str]
) -> None:
    heal = fail_commits(house, error)
    answer = await house.http.post("/api/v1/sites", json=a_site(id="A"), headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "bug" not in answer.text
    heal()
    await house.get("/sites/A", 404)
    async with house.db.read() as session:
        assert (await session.execute(sa.select(IdempotentAnswer))).first() is None
    await house.post("/sites", a_site(id="A"), headers=headers)
    await house.get("/sites/A")


async def test_a_database_that_is_away_is_said(house: RestHouse) -> None:
    await house.db.close()
    engine = house.db.write_engine.sync_engine

    def away(*_: Any) -> None:
        raise OperationalError("connect", {}, Exception("no route"))

    for each in {engine, house.db._readers.sync_engine}:
        sa.event.listen(each, "do_connect", away)
    ready = await house.http.get("/readyz")
    assert ready.status_code == 503
    assert (await house.http.get("/livez")).status_code == 200
    answer = await house.http.get("/api/v1/sites")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    for each in {engine, house.db._readers.sync_engine}:
        sa.event.remove(each, "do_connect", away)
    assert (await house.http.get("/readyz")).status_code == 200
