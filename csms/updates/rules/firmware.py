"""One firmware update: what follows from the station's answer, its words, its Boot and its silence.

A station tells how far it is with 2.x and signed 1.6 updates by their number; 1.6 without a
signature names none, so what it tells is about the update that is open, of which there is one at
most. What has ended has ended: what comes later is kept and changes nothing.

Source: OCPP 2.0.1 part 2, L01 and L02; OCPP 1.6 edition 2, section 7.25 (FirmwareStatus).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from models.states import FIRMWARE_UPDATE, FirmwareUpdateState, allowed

SILENCE = timedelta(hours=6)
"""Without any news for so long, an update has failed as far as we know."""
OPEN: frozenset[str] = frozenset({"requested", "running"})
IDLE = "Idle"
_FAILED = frozenset(
    {"DownloadFailed", "InstallationFailed", "InstallVerificationFailed", "InvalidSignature"}
)
_NOT_BEGUN = frozenset({None, "DownloadScheduled"})
_INSTALLING = frozenset({"Installing", "InstallRebooting"})
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]+(?=@)")
"""All before the last @ of the host's part: a password may have one, too."""


class UpdateState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an update; see `models.tables.updates.FirmwareUpdate`."""

    id: str
    request_id: int
    state: FirmwareUpdateState
    status: str | None
    why: str | None
    retrieve_at: datetime
    install_at: datetime | None
    firmware_before: str | None
    firmware_after: str | None
    created_at: datetime
    heard_at: datetime
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether there is more to come."""
        return self.state in OPEN

    @property
    def given_up_at(self) -> datetime:
        """When silence will have lasted for too long."""
        return max(self.heard_at, self.retrieve_at, self.install_at or self.retrieve_at) + SILENCE


class CommandTold(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the command that asks for an update, or for a log."""

    state: str
    outcome: str | None
    error_code: str | None
    detail: str | None

    @property
    def was_never_sent(self) -> bool:
        """Whether the station can't know of it."""
        return self.state == "expired" or self.error_code == "Expired"


def addressed(
    updates: Sequence[UpdateState], status: str, request_id: int | None
) -> UpdateState | None:
    """Returns the update that a station's words are about; None where it is none of ours.

    Args:
        updates: all that matter of the station, the newest first.
        status: what it says.
        request_id: of the update it speaks of, where it says so.
    """
    if request_id is not None and status != IDLE:
        return next((each for each in updates if each.request_id == request_id), None)
    newest = next(iter(updates), None)
    if newest is None:
        return None
    # A Boot may have told before that it is installed.
    last_word = status == "Installed" and newest.state == "installed"
    return newest if newest.is_open or (last_word and newest.status != status) else None


def answered(update: UpdateState, told: CommandTold, now: datetime) -> UpdateState:
    """Returns an update after the fate of its command is known."""
    if update.state != "requested":
        return update
    detail = told.detail or told.error_code
    if told.was_never_sent:
        update = _moved(update, "unsent", now, why="the station went before it could be asked")
    elif told.state == "unknown":
        update = _replace(update, why="the station did not answer; it may do it all the same")
    elif told.state == "answered" and told.outcome in {"accepted", "scheduled"}:
        update = _moved(update, "running", now)
    elif told.state in {"answered", "failed"}:
        update = _moved(update, "refused", now, why=detail or "the station refuses")
    return update


def told(
    update: UpdateState, status: str, firmware_version: str | None, now: datetime
) -> UpdateState:
    """Returns an update after the station has said how far it is.

    Args:
        update: the one that it speaks of.
        status: in the words of OCPP.
        firmware_version: what it has said at its last Boot.
        now: when it said so.
    """
    if not update.is_open:
        return _replace(update, status=status) if status == "Installed" else update
    if status == IDLE:
        return _idle(update, firmware_version, now)
    update = _replace(update, status=status, heard_at=now, why=None)
    if status == "Installed":
        return _moved(update, "installed", now)
    if status in _FAILED:
        return _moved(update, "failed", now, why=f"the station says {status}")
    return _moved(update, "running", now)


def booted(update: UpdateState, firmware_version: str | None, at: datetime) -> UpdateState:
    """Returns an update after a Boot of its station.

    A new version proves that it was installed, also where the word for it was lost.

    Args:
        update: the newest of the station.
        firmware_version: what the Boot says.
        at: when it came.
    """
    if firmware_version is None or at < update.created_at or update.firmware_after is not None:
        return update
    is_new = update.firmware_before not in {None, firmware_version}
    may_have_heard = update.state == "running" or update.why is not None
    if update.is_open and is_new and may_have_heard:
        update = _moved(update, "installed", at)
    # The Boot that starts the new firmware comes before the word that it is installed, or after.
    after_it = update.ended_at is not None and at >= update.ended_at
    if update.state != "installed" or not (is_new or after_it):
        return update
    return _replace(update, firmware_after=firmware_version)


def silent(update: UpdateState, now: datetime) -> UpdateState:
    """Returns an update of which there may have been no news for too long."""
    if not update.is_open or now < update.given_up_at:
        return update
    hours = SILENCE // timedelta(hours=1)
    return _moved(update, "failed", now, why=f"no news of it for {hours} hours")


def unfit(version: str | None, *, install_at: datetime | None, signed: bool) -> str | None:
    """Returns why stations of an OCPP version can't be asked so; None if they can.

    Args:
        version: the subprotocol of the station's last connection; None: it never came.
        install_at: when it is to be installed.
        signed: whether there is a signature.
    """
    if version == "ocpp1.6" and install_at is not None and not signed:
        return "OCPP 1.6 knows a time of installation only with a signature"
    return None


def without_credentials(location: str) -> str:
    """Returns an address for showing: a password in it is nobody's business."""
    return _CREDENTIALS.sub("********", location)


def _idle(update: UpdateState, firmware_version: str | None, now: datetime) -> UpdateState:
    """Judges a station that says it does nothing of the kind.

    It may say so when it has not begun yet. One that had begun, or of which we do not know whether
    it has heard us, will not go on.
    """
    waits_to_install = update.install_at is not None and now < update.install_at
    if now < update.retrieve_at or waits_to_install:
        return update
    if update.status in _NOT_BEGUN and not (update.state == "requested" and update.why):
        return update
    update = _replace(update, heard_at=now)
    installing = update.status in _INSTALLING
    if installing and firmware_version not in {None, update.firmware_before}:
        return _replace(_moved(update, "installed", now), firmware_after=firmware_version)
    after = f" after {update.status}" if update.status else ""
    return _moved(update, "failed", now, why=f"the station says Idle{after}")


def _moved(
    update: UpdateState, state: FirmwareUpdateState, now: datetime, why: str | None = None
) -> UpdateState:
    assert allowed(FIRMWARE_UPDATE, update.state, state), (update.state, state)
    ended_at = None if state in OPEN else now
    return _replace(update, state=state, why=why, heard_at=now, ended_at=ended_at)


def _replace(update: UpdateState, **changes: object) -> UpdateState:
    return msgspec.structs.replace(update, **changes)
