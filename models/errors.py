"""Everything that can go wrong in our own words, as one tree.

    FleetError
      BadInput        the caller sent something that can't be right (422, exit 2)
      NotFound        no such thing, or another tenant's (404)
      Conflict        true as asked, but not with what is there (409)
        Refused       a business "no", with reasons and alternatives (409)
      StaleVersion    If-Match names an older state (412)
      NotAllowed      role or scope lacking (403)
      Unavailable     we can't now; try again (503)
      NoAnswer        a station did not answer in time (504)
      StationFault    a station answered with an error (502)

Which status, CALLERROR or exit code each becomes is decided at the doors: `csms.web.problem`,
`csms.ocpp`, `csms.cli`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of the input."""

    field: str
    """JSON pointer (RFC 6901) of the field; empty for the whole document."""
    detail: str


class FleetError(Exception):
    """The root: has a stable `code` for programs and a `detail` for people."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class BadInput(FleetError):
    """The caller sent something that can't be right."""

    code = "bad-input"

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)


class NotFound(FleetError):
    """There is no such thing, or it is another tenant's."""

    code = "not-found"


class Conflict(FleetError):
    """It can't be done with what is there now; `errors` names the fields that clash, if any do."""

    code = "conflict"

    def __init__(
        self, detail: str, *, code: str | None = None, errors: Sequence[FieldError] = ()
    ) -> None:
        super().__init__(detail, code=code)
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Reference:
    """Things of one kind that refer to something."""

    kind: str
    """As in the events' subjects: `booking`, `vehicle`."""
    ids: tuple[str, ...]
    """The first of them."""
    count: int

    def __str__(self) -> str:
        """Returns it in words."""
        names = ", ".join(self.ids) + (", ..." if self.count > len(self.ids) else "")
        things = self.kind.replace("_", " ") + ("" if self.count == 1 else "s")
        return f"{self.count} {things} ({names})"


class StillReferenced(Conflict):
    """Something else hangs on what was to be removed; `references` says what."""

    code = "still-referenced"

    def __init__(
        self, thing: str, references: Sequence[Reference], errors: Sequence[FieldError] = ()
    ) -> None:
        self.references = tuple(references)
        found = " and ".join(map(str, self.references)) or "something"
        verb = "refers" if sum(each.count for each in self.references) == 1 else "refer"
        super().__init__(f"{found} still {verb} to {thing}", errors=errors)


class Refused(Conflict):
    """A business "no", with its reasons and what would be accepted instead."""

    code = "refused"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        reasons: Sequence[str] = (),
        explanation: Sequence[Mapping[str, Any]] = (),
        language: str | None = None,
        alternatives: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(detail, code=code)
        self.language = language
        """Of the explanation; None where there is none."""
        self.reasons = tuple(reasons)
        self.explanation = tuple(explanation)
        self.alternatives = tuple(alternatives)


class StaleVersion(FleetError):
    """The caller's `If-Match` names an older state."""

    code = "stale-version"


class NotAllowed(FleetError):
    """The caller's role or scope does not allow it."""

    code = "not-allowed"


class Unavailable(FleetError):
    """We can't now, for reasons of our own; trying again later is right."""

    code = "unavailable"


class NoAnswer(FleetError):
    """The station did not answer in time; whether it acted is not known."""

    code = "no-answer"


class StationFault(FleetError):
    """The station answered with an error of its own."""

    code = "call-error"
