"""Answers: what we tell a station in reply to a Fact, in no protocol's words.

A decider returns one of these; the dialect of the station turns it into the payload. Which Fact
wants which answer is said in `models.facts`. Refusals (CALLERROR) are no answers: a Fact is only
made from a message that will be answered.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from models.companies import Company
from models.proofs import ProofStatus
from models.schedules import ScheduleUpdate

BootStatus = Literal["Accepted", "Pending", "Rejected"]
TokenStatus = Literal[
    "Accepted",
    "Blocked",
    "ConcurrentTx",
    "Expired",
    "Invalid",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
    "Unknown",
]
"""The words of OCPP 2.x; a 1.6 station is told `Invalid` for those that 1.6 has not."""
DataStatus = Literal["Accepted", "Rejected", "UnknownMessageId", "UnknownVendorId"]


class BootAnswer(msgspec.Struct, frozen=True, gc=False):
    """To BootReported: may it work, and how often must it be heard."""

    status: BootStatus
    interval_s: int
    """Heartbeat interval when accepted, else how long to wait before booting again."""
    now: datetime
    quirks: tuple[str, ...] = ()
    """What its record says by now; not told to the station."""


class HeartbeatAnswer(msgspec.Struct, frozen=True, gc=False):
    """To HeartbeatReported: what time it is."""

    now: datetime


class TokenAnswer(msgspec.Struct, frozen=True, gc=False):
    """To TokenPresented: may this token charge."""

    status: TokenStatus
    expires_at: datetime | None = None
    group_token: str | None = None
    """The group (1.6: parent) whose members may stop each other's transactions."""
    group_token_type: str | None = None
    proof: ProofStatus | None = None
    """What the certificates that came with it are worth; None: none came."""


class TransactionAnswer(msgspec.Struct, frozen=True, gc=False):
    """To TransactionReported: our number for it (a 1.6 start only), and what the token may."""

    transaction_id: int | None = None
    """Required for a start on 1.6: positive, below 2**31. Elsewhere ignored."""
    token_status: TokenStatus | None = None
    """None: no token was presented, so nothing is said about one."""
    expires_at: datetime | None = None
    group_token: str | None = None
    group_token_type: str | None = None
    total_cost: Decimal | None = None
    """What the transaction costs by now, where its driver is to be told (2.x)."""


class DataAnswer(msgspec.Struct, frozen=True, gc=False):
    """To DataReceived."""

    status: DataStatus
    data: str | None = None
    """Text on 1.6, JSON text on 2.x."""


class SigningAnswer(msgspec.Struct, frozen=True, gc=False):
    """To CertificateRequested: will it be signed."""

    accepted: bool


class SettlementAnswer(msgspec.Struct, frozen=True, gc=False):
    """To SettlementReported."""

    receipt_id: str | None = None
    """Ours; None where the terminal has given one."""


class VatAnswer(msgspec.Struct, frozen=True, gc=False):
    """To VatNumberPresented."""

    accepted: bool
    why: str | None = None
    """Why it is not."""
    company: Company | None = None
    """Whose number it is, where we know."""


class ScheduleAnswer(msgspec.Struct, frozen=True, gc=False):
    """To SchedulePulled."""

    update: ScheduleUpdate | None = None
    """None: there is nothing to go by."""
    why: str | None = None
    """Why there is not."""


class VerdictAnswer(msgspec.Struct, frozen=True, gc=False):
    """To what wants a yes or a no; what else the station is told stands in its fact."""

    accepted: bool
    later: bool = False
    """Taken, and what follows from it comes later."""


class EmptyAnswer(msgspec.Struct, frozen=True, gc=False):
    """To everything else: heard and kept."""


Answer = (
    BootAnswer
    | HeartbeatAnswer
    | TokenAnswer
    | TransactionAnswer
    | DataAnswer
    | SigningAnswer
    | SettlementAnswer
    | VatAnswer
    | ScheduleAnswer
    | VerdictAnswer
    | EmptyAnswer
)

EMPTY = EmptyAnswer()
"""The one instance that is needed."""
