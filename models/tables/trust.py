"""What stations have asked about certificates of vehicles and contracts (ISO 15118)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class CertificateCheck(Base):
    """A certificate that was asked about, and what was found out."""

    __tablename__ = "certificate_check"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    asked_at: Mapped[datetime]
    purpose: Mapped[str]
    """`certificate` and `chain`: the station asked; `token`: a contract was to charge."""
    hash_algorithm: Mapped[str]
    issuer_name_hash: Mapped[str]
    issuer_key_hash: Mapped[str]
    serial_number: Mapped[str]
    responder: Mapped[str | None]
    """Who was to be asked last."""
    status: Mapped[str]
    """`good`, `revoked`, `unknown` or `failed`."""
    why: Mapped[str | None]
    verified: Mapped[bool]
    cached: Mapped[bool]
    next_update_at: Mapped[datetime | None]
    __table_args__ = (sa.Index(None, "station", "id"), sa.Index(None, "asked_at"))


class ContractRequest(Base):
    """A car's request for the certificate of its contract, and the pool's answer."""

    __tablename__ = "contract_request"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    station: Mapped[str] = mapped_column(sa.ForeignKey("station.identity", ondelete="CASCADE"))
    asked_at: Mapped[datetime]
    action: Mapped[str]
    """`Install` or `Update`."""
    schema_version: Mapped[str]
    exi_request: Mapped[str]
    """Base64, as it came."""
    maximum_chains: Mapped[int | None]
    prioritized: Mapped[list[Any] | None]
    """EMAIDs, the best first."""
    status: Mapped[str]
    """`Accepted` or `Failed`."""
    why: Mapped[str | None]
    exi_response: Mapped[str | None]
    remaining_contracts: Mapped[int | None]
    __table_args__ = (sa.Index(None, "station", "id"), sa.Index(None, "asked_at"))
