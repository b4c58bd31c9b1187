"""Certificates of stations, and changes of how stations log in, step by step.

Pure. Reading X.509 is for `csms.certificates`, and who comes in is decided at the door
(`csms.gateway.login`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from csms.certificates import SigningRequest
from models.facts import OutcomeStatus

CertificateStatus = Literal[
    "requested",
    "refused",
    "sent",
    "installed",
    "failed",
    "in-use",
    "expired",
    "revoked",
]
"""Asked for; not to be signed; on its way to the station; taken by it; not taken by it; the station
has logged in with it; its time is up; no longer good by an operator's word."""


class CertificateState(msgspec.Struct, frozen=True):
    """What is known of a certificate; see `models.tables.security.StationCertificate`."""

    id: str
    tenant_id: str
    station: str
    state: str
    created_at: datetime
    updated_at: datetime
    why: str | None = None
    request: str | None = None
    request_id: int | None = None
    command_id: str | None = None
    fingerprint: str | None = None
    serial: str | None = None
    issuer: str | None = None
    pem: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    renewal: str | None = None
    renewal_tries: int | None = None
    renewal_at: datetime | None = None
    renewal_why: str | None = None


def refusal_of(
    request: SigningRequest,
    *,
    identity: str,
    serial_number: str | None,
    name_taken: bool,
    operator_name: str,
) -> str | None:
    """Returns why a request is not signed, None where it may be.

    The CN is the station's identity or the serial number that it has told, never the identity of
    another station: that would be a key to the other one's door. Source: OCPP 1.6 security
    whitepaper section 2.7; OCPP 2.0.1 part 2, A00.FR.5xx and A02.

    Args:
        request: as it was read.
        identity: of the station that asks.
        serial_number: as it said at its Boot.
        name_taken: whether another station has the CN as its identity.
        operator_name: what O must be.
    """
    name = request.common_name
    if name is None:
        return "it has no CN, or more than one"
    if name != identity and (name != serial_number or name_taken):
        return f"its CN is {name}, which is not this station"
    if request.organisation != operator_name:
        return f"its O is {request.organisation}, allowed is {operator_name}"
    return None


def status_of(certificate: CertificateState, real_now: datetime) -> CertificateStatus:
    """Returns how a certificate stands at an instant of real time."""
    if certificate.revoked_at is not None:
        return "revoked"
    if certificate.not_after is not None and real_now >= certificate.not_after:
        return "expired"
    if certificate.used_at is not None:
        return "in-use"
    states: dict[str, CertificateStatus] = {
        "requested": "requested",
        "refused": "refused",
        "sent": "sent",
        "installed": "installed",
        "failed": "failed",
    }
    return states[certificate.state]


RenewalStatus = Literal["asked", "failed", "renewed", "elsewhere"]
"""The station was asked; the last try has failed; it has a new one; it is renewed by whoever has
issued it."""
Renewal = Literal["wait", "ask", "give-up", "tell"]
ASKED = "asked"
RENEWED_WITHIN = timedelta(hours=2)
"""How long a station has to renew its certificate: an hour to come, and one to do it."""
_FIRST_RETRY = timedelta(hours=1)
_LONGEST_RETRY = timedelta(days=1)
_LEAST_PART = 3
"""A certificate is renewed when a third of its life is left, where that is little."""


def next_of_renewal(
    certificate: CertificateState, *, now: datetime, real_now: datetime, ahead: timedelta
) -> Renewal:
    """Returns what is to be done about a certificate that its station has.

    Args:
        certificate: the one of its station that ends last, not revoked.
        now: life time, by which stations are asked.
        real_now: real time, by which certificates end.
        ahead: how long before its end it is renewed, at most a third of its life.
    """
    if not _has_little_left(certificate, real_now, ahead):
        return "wait"
    if certificate.request is None:
        return "tell" if certificate.renewal is None else "wait"
    since = certificate.renewal_at
    if certificate.renewal not in {ASKED, "failed"} or since is None:
        return "ask"
    if certificate.renewal == ASKED:
        return "give-up" if now >= since + RENEWED_WITHIN else "wait"
    tries = certificate.renewal_tries or 1
    pause = min(_FIRST_RETRY * 4 ** min(tries - 1, 4), _LONGEST_RETRY)
    # One that has ended opens no door any more: what is left is for people.
    ended = certificate.not_after is not None and real_now >= certificate.not_after
    return "ask" if now >= since + pause and not ended else "wait"


def _has_little_left(certificate: CertificateState, real_now: datetime, ahead: timedelta) -> bool:
    begins, ends = certificate.not_before, certificate.not_after
    if begins is None or ends is None:
        return False
    return ends - real_now <= min(ahead, (ends - begins) / _LEAST_PART)


Step = Literal[
    "password",
    "root",
    "organisation",
    "certificate",
    "network",
    "priority",
    "profile",
    "restart",
    "login",
]
"""The new password goes into the box; the box trusts our server; it learns the operator's name, for
its requests; it gets a certificate; 2.x: it keeps another way to us, and prefers it; 1.6: it is
told the profile; it restarts; it comes back, which alone shows that all of it works."""
Verdict = Literal["next", "stay", "fail"]


def steps_to_profile(
    target: int, *, is_16: bool, root_given: bool, certified: bool
) -> tuple[Step, ...]:
    """Returns what leads a station to a security profile.

    Source: OCPP 1.6 security whitepaper, A05; OCPP 2.0.1 part 2, A05 and B09, B10.

    Args:
        target: 2 or 3.
        is_16: it speaks OCPP 1.6.
        root_given: the operator has given a root that it shall trust.
        certified: it holds a certificate of its own that is good.
    """
    steps: list[Step] = []
    if root_given:
        steps.append("root")
    if target == 3 and not certified:
        steps.extend(("organisation", "certificate"))
    steps.extend(("profile",) if is_16 else ("network", "priority", "restart"))
    return (*steps, "login")


def step_after(steps: list[Any], step: str) -> str:
    """Returns the step that follows; the last one is followed by itself."""
    place = steps.index(step) + 1
    return str(steps[min(place, len(steps) - 1)])


def verdict_on(step: str, outcome: OutcomeStatus | None) -> Verdict:
    """Returns what an answer to the command of a step means; None stands for no answer.

    A box that does not take the operator's name may have it already. After silence about what
    changes the login, the box may have changed it: its next login shows which.
    """
    if step == "organisation":
        return "next"
    if outcome in {"accepted", "scheduled"}:
        # That it will ask for a certificate is not that it has one.
        return "stay" if step == "certificate" else "next"
    silent = outcome in {None, "unknown"}
    return "next" if silent and step in {"password", "profile", "restart"} else "fail"


def verdict_on_login(
    kind: str, *, target: int | None, profile: int, next_password: bool, sure: bool
) -> tuple[Verdict, str]:
    """Returns what a login at the last step means, and why it is a failure.

    Args:
        kind: `password` or `profile`.
        target: the security profile that is wanted.
        profile: the highest that the login is good for.
        next_password: it was by the new password.
        sure: the box has said that it took what it was told.
    """
    if kind == "password":
        if next_password:
            return "next", ""
        # A box may take a password at its next restart only.
        return ("stay", "") if sure else ("fail", "it still logs in with its old password")
    if target is not None and profile >= target:
        return "next", ""
    return "fail", f"it came back on security profile {profile}"
