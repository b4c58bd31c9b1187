"""What follows for a log from its station's answer and words, from its file and from silence.

The file itself decides: a station may say what it likes of an upload to us. Where it was to go
elsewhere, only its word is known. 1.6 names no number for diagnostics, so that what it tells is
about the log that is open, of which there is one at most.

Source: OCPP 2.0.1 part 2, N01; OCPP 1.6 edition 2, section 5.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from csms.updates.rules.firmware import CommandTold
from models.commands.upkeep import LogKind
from models.states import STATION_LOG, StationLogState, allowed

OPEN: frozenset[str] = frozenset({"requested", "uploading"})
IDLE = "Idle"
_DONE = "Uploaded"
_GOES_ON = "Uploading"
REPORT_WITHIN_S = 86_400
ALERTING_MAX = 2
_ENDINGS = ((b"\x1f\x8b", "gz"), (b"PK\x03\x04", "zip"), (b"BZh", "bz2"), (b"\xfd7zXZ", "xz"))
"""How files of these kinds begin."""


class LogState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a log; see `models.tables.diagnostics.StationLog`."""

    id: str
    request_id: int
    location: str | None
    state: StationLogState
    status: str | None
    why: str | None
    created_at: datetime
    expires_at: datetime
    received_at: datetime | None
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether there is more to come."""
        return self.state in OPEN


def addressed(logs: Sequence[LogState], status: str, request_id: int | None) -> LogState | None:
    """Returns the log that a station's words are about; None where it is none of ours.

    Args:
        logs: all that matter of the station, the newest first.
        status: what it says.
        request_id: of the log it speaks of, where it says so.
    """
    if request_id is not None and status != IDLE:
        return next((each for each in logs if each.request_id == request_id), None)
    newest = next(iter(logs), None)
    if newest is None:
        return None
    # The file may be here before its station has the time to say anything of it.
    late_word = status != IDLE and newest.state == "uploaded" and newest.status != _DONE
    return newest if newest.is_open or late_word else None


def answered(log: LogState, told: CommandTold, now: datetime) -> LogState:
    """Returns a log after the fate of its command is known."""
    if log.state != "requested":
        return log
    if told.was_never_sent:
        return _moved(log, "unsent", now, why="the station went before it could be asked")
    if told.state == "unknown":
        return _replace(log, why="the station did not answer; it may do it all the same")
    if told.state == "answered" and told.outcome in {"accepted", "scheduled"}:
        return _moved(log, "uploading", now)
    if told.state in {"answered", "failed"}:
        why = told.detail or told.error_code or "the station refuses"
        return _moved(log, "refused", now, why=why)
    return log


def told(log: LogState, status: str, now: datetime) -> LogState:
    """Returns a log after the station has said how far it is.

    Args:
        log: the one that it speaks of.
        status: in the words of OCPP.
        now: when it said so.
    """
    if status == IDLE:
        if not log.is_open or log.status is None:
            return log  # it may not have begun yet
        return _moved(log, "failed", now, why=f"the station says {IDLE} after {log.status}")
    log = _replace(log, status=status)
    if not log.is_open:
        return log
    if status == _GOES_ON:
        return _moved(log, "uploading", now)
    if status == _DONE and log.location is not None:
        return _moved(log, "uploaded", now)
    but = ", but nothing has come" if status == _DONE else ""
    return _moved(log, "failed", now, why=f"the station says {status}{but}")


def received(log: LogState, now: datetime) -> LogState:
    """Returns a log whose file is here."""
    return _replace(_moved(log, "uploaded", now), received_at=now)


def silent(log: LogState, now: datetime) -> LogState:
    """Returns a log of which there may have been no news for too long."""
    if not log.is_open or now < log.expires_at:
        return log
    missing = "no file has come in time" if log.location is None else "no news of it in time"
    return _moved(log, "failed", now, why=missing)


def is_outdated(told_at: datetime, request_id: int, now: datetime) -> bool:
    """Returns whether a monitor that was told of at `told_at` is missing from a whole report.

    The number of a report is the second at which it was asked for. One that nobody can have asked
    for lately tells nothing of what is missing.
    """
    asked_s = int(now.timestamp()) - request_id
    return 0 <= asked_s <= REPORT_WITHIN_S and told_at.timestamp() < request_id


def is_alerting(severity: int | None) -> bool:
    """Returns whether somebody should look: danger, hardware failure or system failure.

    Source: OCPP 2.0.1 part 2, SetMonitoringDataType (severity 0 to 2).
    """
    return severity is not None and severity <= ALERTING_MAX


def name_of_file(station: str, kind: LogKind, created_at: datetime, head: bytes) -> str:
    """Returns what a log is called when it is downloaded: safe everywhere, told by its content.

    Args:
        station: its identity.
        kind: of the log.
        created_at: when it was asked for.
        head: the first bytes of the file.
    """
    safe = "".join(each if each.isascii() and each.isalnum() else "-" for each in station)
    ending = next((name for mark, name in _ENDINGS if head.startswith(mark)), "log")
    return f"{safe}-{kind}-{created_at:%Y%m%dT%H%M%SZ}.{ending}"


def _moved(
    log: LogState, state: StationLogState, now: datetime, why: str | None = None
) -> LogState:
    assert allowed(STATION_LOG, log.state, state), (log.state, state)
    return _replace(log, state=state, why=why, ended_at=None if state in OPEN else now)


def _replace(log: LogState, **changes: object) -> LogState:
    return msgspec.structs.replace(log, **changes)
