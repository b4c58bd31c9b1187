"""The table: what is done with each action, as rows that a dialect is made of.

A `Heard` row turns a station's request into a Fact and the decider's Answer into the response; a
`Said` row turns a Command into a request and the station's response into an Outcome. A `Block` is
the rows of one functional block of the specification. How rows are looked up, validated and
repaired is not here but in `csms.ocpp.dialects`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar, cast

import msgspec

from csms.ocpp.frame import ErrorCode
from csms.ocpp.hearing import Hearing
from models.answers import Answer, EmptyAnswer
from models.commands import LimitPeriod
from models.commands.base import Command
from models.commands.priorities import UpdateSchedule
from models.errors import FieldError
from models.facts import Fact, MonitorNews, OutcomeStatus, VariableState
from models.facts.payments import TariffNews

R = TypeVar("R", bound=msgspec.Struct)
F = TypeVar("F", bound=Fact)
A = TypeVar("A", bound=Answer)
C = TypeVar("C", bound=Command)

HeardKind = Literal["heartbeat", "fact", "quarantine"]


class Understood(msgspec.Struct, frozen=True, gc=False):
    """A message that became a Fact and will be answered."""

    fact: Fact
    kind: HeardKind
    """`heartbeat`: answered from memory; `fact`: answered once stored; `quarantine`: likewise,
    but raw, because it could not be understood."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A message that gets a CALLERROR."""

    code: ErrorCode
    description: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a station's response to a command means."""

    status: OutcomeStatus
    detail: str = ""
    """The station's own words."""
    variables: tuple[VariableState, ...] = ()
    """What it told of its settings."""
    periods: tuple[LimitPeriod, ...] = ()
    """What it will allow (ReadLimit)."""
    list_version: int | None = None
    """Of the list of tokens that it holds (ReadLocalListVersion)."""
    monitors: MonitorNews | None = None
    """What it watches from now on, or no longer."""
    tells: Callable[[str, datetime], Fact] | None = None
    """What else it tells, as a fact of this station at this instant."""
    tariffs: TariffNews | None = None
    """Which tariffs it holds from now on, or no longer."""
    priority: tuple[str, bool] | None = None
    """A transaction, by its id, that has priority from now on, or has it no longer."""
    schedule: tuple[UpdateSchedule, str | None] | None = None
    """How a dynamic profile goes on, and the station's word if it refuses."""
    faults: tuple[FieldError, ...] = ()
    """Where the response breaks its schema; it is read all the same."""


@dataclass(frozen=True, slots=True)
class Heard(Generic[R, F, A]):
    """A request that stations make, and what becomes of it."""

    request: type[R]
    """The wire struct of the oldest version that shares the row; each dialect decodes its own."""
    fact: Callable[[R, Hearing], F]
    tells: type[F]
    answer: Callable[[F, A], msgspec.Struct]
    wants: type[A]
    """The Answer that `answer` takes; anything else is a programmer's error."""
    kind: HeardKind = "fact"
    precious: bool = False
    """A CALLERROR would make the station throw its data away: repaired or quarantined instead."""

    @property
    def action(self) -> str:
        """The name on the wire."""
        return action_of(self.request)


@dataclass(frozen=True, slots=True)
class Said(Generic[C]):
    """A command, how it is said and what the response means."""

    command: type[C]
    request: Callable[[C], msgspec.Struct]
    outcome: Callable[[C, Mapping[str, Any]], Outcome]
    actions: tuple[str, ...]
    """Those that `request` may choose from."""
    reads_raw: bool = False
    """Whether `outcome` needs nothing of the command: so it reads answers to requests, too, that a
    user has written."""


@dataclass(frozen=True, slots=True)
class Block:
    """One functional block: every action of it is in `heard` or in `sent`."""

    name: str
    heard: tuple[Heard[Any, Any, Any], ...] = ()
    said: tuple[Said[Any], ...] = ()
    sent: tuple[str, ...] = ()
    """All requests that we make, by a command of ours or as a user writes them over REST."""


def action_of(request: type[msgspec.Struct]) -> str:
    """Returns the action whose request a wire struct is."""
    return request.__name__.removesuffix("Request")


def nothing(response: type[msgspec.Struct]) -> Callable[[Fact, EmptyAnswer], msgspec.Struct]:
    """Returns the answer function of a request whose response is empty."""
    empty = response()
    return lambda _fact, _answer: empty


_STATUS: Mapping[str, OutcomeStatus] = {
    "Accepted": "accepted",
    "Unlocked": "accepted",
    "Scheduled": "scheduled",
    "RebootRequired": "scheduled",
    "AcceptedCanceled": "accepted",
    "ConditionNotSupported": "rejected",
    "DuplicateTariffId": "rejected",
    "NoCurrencyChange": "rejected",
    "NoTariff": "rejected",
    "TooManyElements": "rejected",
    "TxNotFound": "rejected",
    "NoProfile": "rejected",
    "InvalidCertificate": "rejected",
    "RevokedCertificate": "rejected",
    "Invalid": "rejected",
    "Rejected": "rejected",
    "UnlockFailed": "rejected",
    "OngoingAuthorizedTransaction": "rejected",
    "NotFound": "rejected",
    "UnknownConnector": "rejected",
    "UnknownTransaction": "rejected",
    "VersionMismatch": "rejected",
    "Failed": "rejected",
    "Faulted": "rejected",
    "Occupied": "rejected",
    "Unavailable": "rejected",
    "NotSupported": "not-supported",
    "NotImplemented": "not-supported",
}


def by_status(_command: Command, response: Mapping[str, Any]) -> Outcome:
    """Returns the outcome of the many responses whose meaning is their `status`."""
    status = str(response.get("status"))
    info = response.get("statusInfo")
    detail = [status]
    if isinstance(info, dict):
        told = cast("dict[str, object]", info)
        detail += [str(told[name]) for name in ("reasonCode", "additionalInfo") if name in told]
    return Outcome(status=_STATUS.get(status, "unknown"), detail=": ".join(detail))


def worst(statuses: list[str]) -> OutcomeStatus:
    """Returns what several statuses together mean: all must be accepted for it to be so."""
    ranked: tuple[OutcomeStatus, ...] = ("unknown", "rejected", "not-supported", "scheduled")
    meanings = {_STATUS.get(status, "rejected") for status in statuses}
    for status in ranked:
        if status in meanings:
            return status
    return "accepted"
