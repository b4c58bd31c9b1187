"""Manner: how one station has to be spoken to and understood, by the quirks on its record.

Worked out once per connection, so that a message costs a look at one field. A limit is put in other
words on its way out, never a higher one: where a station can't keep to what was asked, it is told
less. The tokens that it sends are put right on their way in.

The quirks are listed in `models.quirks`; a station that is `strict` has none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from models.commands import AnyCommand, LimitPeriod, SetLimit
from models.facts import Fact, TokenPresented, TransactionReported
from models.units import watts_to_amperes

PERIODS_MAX = 3
LEAST_A = 6.0
"""Below this no car charges by IEC 61851-1."""
_ONLY_OUTLET = 1


@dataclass(frozen=True, slots=True)
class Manner:
    """What is special about one station."""

    token: Callable[[str], str] | None
    """Puts a token right; None: it comes as it should."""
    long_tokens: bool
    """Tokens that are too long for the version are cut, not refused."""
    limit: tuple[Callable[[SetLimit], SetLimit], ...]
    """What is done to a limit, one after the other."""

    def heard(self, fact: Fact) -> Fact:
        """Returns what a station has told, with its token put right."""
        if self.token is None or not isinstance(fact, TokenPresented | TransactionReported):
            return fact
        if fact.id_token is None:
            return fact
        return msgspec.structs.replace(fact, id_token=self.token(fact.id_token))

    def said(self, command: AnyCommand) -> AnyCommand:
        """Returns a command as this station can take it."""
        if isinstance(command, SetLimit):
            tried = tuple(change for name, change in _LIMITS if name in command.quirks)
            for change in (*self.limit, *tried):
                command = change(command)
        return command


BY_THE_BOOK = Manner(token=None, long_tokens=False, limit=())


def manner_of(quirks: frozenset[str], *, strict: bool) -> Manner:
    """Returns the manner of a station with these quirks on its record."""
    if strict or not quirks:
        return BY_THE_BOOK
    tokens = [change for name, change in _TOKENS.items() if name in quirks]
    return Manner(
        token=tokens[0] if tokens else None,
        long_tokens="tag-serial" in quirks,
        limit=tuple(change for name, change in _LIMITS if name in quirks),
    )


def _without_suffix(token: str) -> str:
    return token.rpartition("_")[0] or token


def _as_default(limit: SetLimit) -> SetLimit:
    """Says the limit of a transaction as the default of its EVSE, which holds for it as well."""
    if limit.purpose != "transaction":
        return limit
    return msgspec.structs.replace(limit, purpose="default", ocpp_transaction_id=None)


def _to_outlet(limit: SetLimit) -> SetLimit:
    """Says a default for all EVSEs as that of the only one; a whole station's limit can't be."""
    if limit.evse_id or limit.purpose == "station":
        return limit
    return msgspec.structs.replace(limit, evse_id=_ONLY_OUTLET)


def _relative(limit: SetLimit) -> SetLimit:
    """Counts the periods from the start of the transaction, the first from its very beginning."""
    if limit.start_at is None or limit.purpose == "station":
        return limit
    if limit.tx_started_at is None:
        return msgspec.structs.replace(limit, start_at=None)
    gone_s = max(0, int((limit.start_at - limit.tx_started_at).total_seconds()))
    first, *others = limit.periods
    periods = [
        msgspec.structs.replace(first, start_s=0),
        *(msgspec.structs.replace(each, start_s=each.start_s + gone_s) for each in others),
    ]
    duration_s = None if limit.duration_s is None else limit.duration_s + gone_s
    return msgspec.structs.replace(
        limit, start_at=None, periods=tuple(periods), duration_s=duration_s
    )


def _on_level_0(limit: SetLimit) -> SetLimit:
    return msgspec.structs.replace(limit, stack_level=0)


def _few_periods(limit: SetLimit) -> SetLimit:
    """Ends the schedule where its first periods end; what lies below it holds from there on."""
    if len(limit.periods) <= PERIODS_MAX:
        return limit
    ends_s = limit.periods[PERIODS_MAX].start_s
    return msgspec.structs.replace(limit, periods=limit.periods[:PERIODS_MAX], duration_s=ends_s)


def _each(change: Callable[[SetLimit, LimitPeriod], LimitPeriod]) -> Callable[[SetLimit], SetLimit]:
    def changed(limit: SetLimit) -> SetLimit:
        periods = tuple(change(limit, each) for each in limit.periods)
        return msgspec.structs.replace(limit, periods=periods)

    return changed


def _phases(limit: SetLimit, period: LimitPeriod) -> int:
    return period.phases or limit.phases


def _not_too_little(limit: SetLimit, period: LimitPeriod) -> LimitPeriod:
    least_w = LEAST_A * limit.voltage_v * _phases(limit, period)
    return msgspec.structs.replace(period, limit_w=0.0) if period.limit_w < least_w else period


def _with_phases(limit: SetLimit, period: LimitPeriod) -> LimitPeriod:
    return msgspec.structs.replace(period, phases=_phases(limit, period))


def _per_phase(limit: SetLimit, period: LimitPeriod) -> LimitPeriod:
    return msgspec.structs.replace(period, limit_w=period.limit_w / _phases(limit, period))


def _whole_amperes(limit: SetLimit, period: LimitPeriod) -> LimitPeriod:
    phases = _phases(limit, period)
    current_a = watts_to_amperes(period.limit_w, phases=phases, voltage_v=limit.voltage_v)
    return msgspec.structs.replace(period, limit_w=int(current_a) * limit.voltage_v * phases)


def _in_amperes(limit: SetLimit) -> SetLimit:
    return msgspec.structs.replace(limit, rate_unit="A")


def _in_watts(limit: SetLimit) -> SetLimit:
    return msgspec.structs.replace(limit, rate_unit="W")


_TOKENS: dict[str, Callable[[str], str]] = {
    "tag-colons": lambda token: token.replace(":", ""),
    "tag-suffix": _without_suffix,
}
_LIMITS: tuple[tuple[str, Callable[[SetLimit], SetLimit]], ...] = (
    ("rejects-tx-profile", _as_default),
    ("ignores-tx-profile", _as_default),
    ("conn0-rejected", _to_outlet),
    ("relative-only", _relative),
    ("stack0-only", _on_level_0),
    ("maxperiods-3", _few_periods),
    ("below-6a", _each(_not_too_little)),
    ("numberphases-required", _each(_with_phases)),
    ("integer-amps", _in_amperes),
    ("integer-amps", _each(_whole_amperes)),
    ("a-only", _in_amperes),
    ("w-only", _in_watts),
    ("total-vs-phase", _each(_per_phase)),
)
"""In the order in which they are done."""
READ = frozenset(_TOKENS) | {name for name, _ in _LIMITS} | {"tag-serial"}
"""The quirks that are read here."""
