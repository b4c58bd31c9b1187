"""What all tables share: naming of constraints, column types that mean the same on both databases.

SQLite keeps instants as microseconds since 1970 (integers sort and compare exactly), PostgreSQL as
`timestamptz`. Decimals are text on SQLite, because its numbers are binary. Nothing here opens a
connection.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """Returns microseconds since 1970-01-01T00:00Z, exactly; SQLite's form of an instant."""
    return (instant - _EPOCH) // _MICROSECOND


@lru_cache(maxsize=8192)
def from_micros(micros: int) -> datetime:
    """Returns the instant that `to_micros` was given; the same ones are read again and again."""
    return _EPOCH + timedelta(microseconds=micros)


class UtcInstant(TypeDecorator[datetime]):
    """An aware instant; naive ones are refused on the way in."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Returns the database's own type."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True))
        return dialect.type_descriptor(sa.BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Returns the value in the database's form.

        Raises:
            ValueError: if the instant has no time zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive instant {value!r} for the database")
        return value.astimezone(UTC) if dialect.name == "postgresql" else to_micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Returns the stored value as an aware instant in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if dialect.name == "postgresql" else from_micros(value)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal kept to the last digit on both databases."""

    impl = sa.String(40)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Returns the decimal as plain text."""
        return None if value is None else format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """Returns the decimal that was stored."""
        return None if value is None else Decimal(value)


JsonDocument = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True), "postgresql"
)
"""A JSON value; JSONB on PostgreSQL."""


class Base(DeclarativeBase):
    """The declarative base: one metadata, named constraints, our column types by annotation."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcInstant(),
        Decimal: ExactDecimal(),
        dict[str, Any]: JsonDocument,
        list[Any]: JsonDocument,
        int: sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        str: sa.Text(),
        float: sa.Float(),
    }


class Kept:
    """Columns of everything that people keep: owner, their own names for it, and its versions."""

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(default="default", index=True)
    external_id: Mapped[str | None]
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    version: Mapped[int] = mapped_column(default=1)
    """Grows by one with each change; the `ETag`."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(index=True)
