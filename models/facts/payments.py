"""Facts about money: what payment terminals tell, and tariffs that stations hold."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from models.companies import Company
from models.facts import Fact

PaymentStatus = Literal["Settled", "Canceled", "Rejected", "Failed"]


class SettlementReported(Fact, frozen=True, gc=False, kw_only=True):
    """What a payment terminal has made of a payment (2.1)."""

    psp_ref: str
    """Of the payment service provider."""
    status: PaymentStatus
    amount: Decimal
    settled_at: datetime
    ocpp_transaction_id: str | None = None
    info: str | None = None
    receipt_id: str | None = None
    receipt_url: str | None = None
    vat_number: str | None = None
    company: Company | None = None


class VatNumberPresented(Fact, frozen=True, gc=False, kw_only=True):
    """Somebody wants a receipt for this VAT number (2.1)."""

    vat_number: str
    evse_id: int | None = None


class HeldTariff(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A tariff that a station says it has, or what became of one."""

    tariff_id: str
    kind: str
    """`DefaultTariff` or `DriverTariff`."""
    evse_ids: tuple[int, ...] = ()
    """None of them: all."""
    id_tokens: tuple[str, ...] = ()


class TariffNews(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is known of the tariffs in a station after one of its answers."""

    held: tuple[HeldTariff, ...] = ()
    """Those that it has."""
    wished: bool = False
    """Whether we have put them there: then they take the place of others at their EVSEs."""
    refused: str | None = None
    """The station's word, where it does not take those in `held`."""
    gone: tuple[str, ...] = ()
    """Tariffs that it has no longer, by id."""
    all_gone: bool = False
    whole_of: int | None = None
    """It has no others: at this EVSE, or at all (0)."""


class TariffsTold(Fact, frozen=True, gc=False, kw_only=True):
    """A station has told of its tariffs (2.1), in answer to a command."""

    news: TariffNews
