"""Statements that come again go past SQLAlchemy, and mean what they mean with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session, aliased, defer

from csms.ledger.database import Database
from csms.ledger.inline import InlineSession
from csms.ledger.straight import straight_of
from models.tables.base import Base
from models.tables.energy import PriceSeries, Site, SiteMeasurement
from models.tables.ledger import HouseFact

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
SITE: sa.BindParameter[str] = sa.bindparam("site")
SITES = sa.select(Site).where(Site.tenant_id == "default").order_by(Site.id)
SOME = sa.select(Site).where(Site.id.in_(sa.bindparam("sites", expanding=True))).order_by(Site.id)
TWO_LISTS = (
    sa.select(Site.id)
    .where(Site.name.in_(sa.bindparam("names", expanding=True)) | Site.id.in_(("C", "D")))
    .where(Site.id.in_(sa.bindparam("sites", expanding=True)))
    .order_by(Site.id)
)
SINCE = (
    sa.select(SiteMeasurement)
    .where(SiteMeasurement.site_id == SITE, SiteMeasurement.measured_at > sa.bindparam("since"))
    .order_by(SiteMeasurement.measured_at)
)
LAST = sa.select(sa.func.max(SiteMeasurement.measured_at), sa.func.count()).where(
    SiteMeasurement.site_id == SITE
)
BOTH = (
    sa.select(SiteMeasurement, Site, Site.move_price, Site.shadow)
    .join(Site, Site.id == SiteMeasurement.site_id)
    .order_by(Site.id, SiteMeasurement.measured_at)
)
OUTER = (
    sa.select(Site.id, SiteMeasurement)
    .outerjoin(SiteMeasurement, SiteMeasurement.site_id == Site.id)
    .order_by(Site.id, SiteMeasurement.measured_at)
)
NEWEST = sa.select(Site).order_by(Site.id.desc()).limit(1)
UNION = sa.union_all(
    sa.select(Site.id, Site.created_at).where(Site.created_at <= sa.bindparam("now")),
    sa.select(SiteMeasurement.site_id, SiteMeasurement.measured_at),
)


def _site(key: str, **values: Any) -> Site:
    fixed = {"latitude": 48.0, "longitude": 2.0, "timezone": "Europe/Paris"}
    limits = {"import_limit_w": 1e4, "export_limit_w": 1e4}
    written = {"custom": {"a": [1, None]}, "created_at": NOON, "updated_at": NOON}
    return Site(**{"id": key, "name": f"Site {key}", **fixed, **limits, **written, **values})


@asynccontextmanager
async def _two_sites() -> AsyncGenerator[Database]:
    db = Database.open("sqlite://", inline=True)
    Base.metadata.create_all(_engine(db, "_writers"))
    try:
        with Session(_engine(db, "_writers")) as session:
            roofs = [{"peak_power_w": 1.5e3, "tilt_deg": 30.0, "azimuth_deg": 180.0}]
            session.add(_site("A", move_price=Decimal("0.10"), shadow=True, pv_plants=roofs))
            session.add(_site("B", peak_price_per_kw=Decimal("1.230")))
            session.flush()
            for minute in range(3):
                at = NOON + timedelta(minutes=minute, microseconds=minute)
                session.add(
                    SiteMeasurement(
                        site_id="A", measured_at=at, received_at=at, pv_power_w=minute or None
                    )
                )
            session.commit()
        yield db
    finally:
        await db.close()


def _plain(row: Sequence[Any]) -> list[Any]:
    """Returns what is in a row, with its types: SQLite would call true 1."""
    found: list[Any] = []
    for value in row:
        if isinstance(value, Site | SiteMeasurement):
            columns = sa.inspect(type(value)).column_attrs.keys()
            found.append([(name, repr(getattr(value, name))) for name in columns])
        else:
            found.append(repr(value))
    return found


@pytest.mark.parametrize(
    ("statement", "asked"),
    [
        (SITES, [{}, None]),
        (SOME, [{"sites": ["A"]}, {"sites": ["A", "B"]}, {"sites": []}, {"sites": ["B"]}]),
        (TWO_LISTS, [{"names": ["Site A"], "sites": ["A", "B"]}, {"names": [], "sites": ["A"]}]),
        (SINCE, [{"site": "A", "since": NOON}, {"site": "A", "since": NOON - timedelta(days=1)}]),
        (LAST, [{"site": "A"}, {"site": "B"}]),
        (BOTH, [{}]),
        (OUTER, [{}]),
        (NEWEST, [{}]),
        (UNION, [{"now": NOON}, {"now": NOON - timedelta(hours=1)}]),
    ],
    ids=["all", "lists", "two lists", "instants", "sums", "joined", "outer", "first", "union"],
)
async def test_what_comes_straight_is_what_sqlalchemy_returns(
    statement: Any, asked: list[Mapping[str, Any] | None]
) -> None:
    async with _two_sites() as db:
        for _ in range(3):
            for parameters in asked:
                async with db.read() as session:
                    found = (await session.execute(statement, parameters)).all()
                    first = await session.scalar(statement, parameters)
                with Session(_engine(db, "_readers")) as session:
                    expected = session.execute(statement, parameters).all()
                    assert [_plain(row) for row in found] == [_plain(row) for row in expected]
                    assert [row._fields for row in found] == [row._fields for row in expected]
                    wanted = expected[0][0] if expected else None
                    assert _plain([first]) == _plain([wanted])
        assert straight_of(statement, _engine(db, "_readers").dialect) is not None


async def test_objects_are_those_that_the_session_knows_and_changes_are_written_first() -> None:
    async with _two_sites() as db:
        for _ in range(3):
            async with db.read() as session:
                assert isinstance(session, InlineSession)
                (one, other) = (await session.scalars(SITES)).all()
                assert await session.get(Site, "A") is one
                assert await session.get_one(Site, "B") is other
                assert await session.get(Site, {"id": "B"}) is other
                assert await session.scalar(NEWEST) is other
                assert await session.get(Site, "C") is None
                with pytest.raises(NoResultFound):
                    await session.get_one(Site, "C")
                key = ("A", NOON + timedelta(minutes=1, microseconds=1))
                measured = await session.get_one(SiteMeasurement, key)
                assert (measured.measured_at, measured.pv_power_w) == (key[1], 1.0)
        with Session(_engine(db, "_writers")) as before:
            before.execute(sa.update(Site).where(Site.id == "B").values(name="b"))
            before.commit()
        session = InlineSession(db._writers)
        async with session:
            await session.begin_at_once()
            site = await session.get_one(Site, "A", with_for_update=True)
            site.name = "changed"
            assert [row.name for row in await session.scalars(SITES)] == ["changed", "b"]
            session.add(_site("C", name="new"))
            assert [row.id for row in await session.scalars(SITES)] == ["A", "B", "C"]
            await session.delete(site)
            assert [row.id for row in await session.scalars(SITES)] == ["B", "C"]
            await session.commit()
            assert await session.scalar(sa.select(sa.func.count()).select_from(Site)) == 2
            await session.rollback()
            assert await session.get(Site, "A") is None
        async with db.read() as session:
            assert [row.name for row in await session.scalars(SITES)] == ["b", "new"]


async def test_what_is_not_understood_is_left_to_sqlalchemy() -> None:
    other = aliased(Site)
    left = (
        sa.select(other).order_by(other.id),
        sa.select(Site).options(defer(Site.pv_plants)).order_by(Site.id),
        sa.select(Site).order_by(Site.id).execution_options(populate_existing=True),
    )
    async with _two_sites() as db:
        for statement in left:
            for _ in range(3):
                async with db.read() as session:
                    assert [row.id for row in await session.scalars(statement)] == ["A", "B"]
            assert straight_of(statement, _engine(db, "_readers").dialect) is None
        whole, part = sa.select(Site.id).order_by(Site.id), None
        for _ in range(3):
            async with db.read() as session:
                assert (await session.scalars(whole)).all() == ["A", "B"]
                part = whole.where(Site.id == "B")  # made of one that is known
                assert (await session.scalars(part)).all() == ["B"]
        async with db.write(_clock(), _ids()) as work:
            work.session.add(HouseFact(name="x", value={"a": 1}))
            assert (await work.session.get_one(HouseFact, "x")).value == {"a": 1}
            assert await work.session.get(PriceSeries, "none") is None


def _clock() -> Any:
    class Clock:
        def now(self) -> datetime:
            return NOON

    return Clock()


def _ids() -> Any:
    return None


def _engine(db: Database, which: str) -> sa.Engine:
    return getattr(db, which)._engine


async def test_changes_go_straight_and_tell_how_many_rows_they_were() -> None:
    table = Base.metadata.tables[Site.__tablename__]
    rename = (
        sa.update(table)
        .where(table.c.id.in_(sa.bindparam("sites", expanding=True)))
        .values(name=sa.bindparam("to"), updated_at=sa.bindparam("at"))
    )
    forget = sa.delete(table).where(table.c.name == sa.bindparam("called"))
    later = NOON + timedelta(hours=1)
    async with _two_sites() as db:
        for number, sites in enumerate((["A"], ["A", "B"], [], ["A", "B"])):
            async with db.write(_clock(), _ids()) as work:
                work.session.add(_site(f"N{number}", name="new"))
                asked = {"sites": [*sites, f"N{number}"], "to": f"to {number}", "at": later}
                # What was added is there before it is changed.
                assert (await work.session.execute(rename, asked)).rowcount == len(sites) + 1
        assert straight_of(rename, _engine(db, "_readers").dialect) is not None
        async with db.read() as session:
            rows = (await session.scalars(SITES)).all()
            assert [row.name for row in rows] == ["to 3", "to 3", "to 0", "to 1", "to 2", "to 3"]
            assert {row.updated_at for row in rows} == {later}
        for many in (3, 0, 1):
            async with db.write(_clock(), _ids()) as work:
                called = {"called": "to 1" if many == 1 else "to 3"}
                assert (await work.session.execute(forget, called)).rowcount == many
