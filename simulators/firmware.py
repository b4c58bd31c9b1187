"""The firmware of a station: fetched, installed and started, over time.

What it tells is what its version of OCPP knows; 1.6 without a signature knows seven words of
fourteen. It installs when nobody charges. The new version is the number in the name of the file,
such as 4.1.0 in `box-4.1.0.bin`; a file without one counts the last number up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from simulators.evse import Evse
from simulators.notices import BootReason, FirmwareNote, FirmwareWord

FIRST_VERSION = "3.2.0"
_NUMBER = re.compile(r"\d+(?:\.\d+)+")
_WORDS_16 = frozenset(
    {
        "Downloaded",
        "DownloadFailed",
        "Downloading",
        "Idle",
        "InstallationFailed",
        "Installing",
        "Installed",
    }
)


@dataclass(frozen=True, slots=True)
class Order:
    """What a central system asks for."""

    location: str
    retrieve_at: datetime
    request_id: int | None = None
    """None: 1.6 without a signature."""
    install_at: datetime | None = None
    signed: bool = False


class Firmware:
    """The firmware that runs, and the one that is on its way."""

    def __init__(self, *, is_16: bool, quirks: frozenset[str]) -> None:
        self.version = FIRST_VERSION
        self.download_s = 120.0
        self.install_s = 180.0
        self.quirks = quirks
        self._is_16 = is_16
        self._order: Order | None = None
        self._word: FirmwareWord = "Idle"
        self._next: FirmwareWord | None = None
        self._due_at: datetime | None = None

    @property
    def present(self) -> FirmwareNote:
        """What it says when it is asked; where its version has no word for a step, it installs."""
        return self._note(self._word if self._says(self._word) else "Installing")

    def take(self, order: Order) -> Literal["Accepted", "AcceptedCanceled"]:
        """Begins with an update; one that is on its way is given up for it."""
        former, self._order = self._order, order
        self._word = "Idle"
        self._next, self._due_at = "Downloading", order.retrieve_at
        return "Accepted" if former is None else "AcceptedCanceled"

    def play(self, at: datetime, evses: Iterable[Evse]) -> Iterator[FirmwareNote]:
        """Yields what is to be told now; while a transaction runs nothing is installed."""
        charging = any(evse.transaction is not None for evse in evses)
        while self._next is not None and self._due_at is not None and self._due_at <= at:
            if self._next == "Installing" and charging:
                return
            word, since = self._next, self._due_at
            self._word = word
            self._next, wait_s = self._after(word)
            self._due_at = since + timedelta(seconds=wait_s)
            order = self._order
            if self._next == "Installing" and order is not None and order.install_at is not None:
                self._due_at = max(self._due_at, order.install_at)
            if self._says(word):
                yield self._note(word)
            if self._next is None:
                self._word, self._order, self._due_at = "Idle", None, None

    @property
    def restarts(self) -> bool:
        """Whether the station is to restart now, to run what it has installed."""
        return self._word == "InstallRebooting" and self._next == "Installed"

    def restarted(self, at: datetime) -> BootReason:
        """The station starts, with what it has installed if it has; returns why it does."""
        if not self.restarts or self._order is None:
            return "RemoteReset"
        self.version = _version_of(self._order.location, self.version)
        self._due_at = at
        return "FirmwareUpdate"

    def _after(self, word: FirmwareWord) -> tuple[FirmwareWord | None, float]:
        """Returns what follows a step, and after how many seconds."""
        order = self._order
        assert order is not None
        if word == "Downloading":
            failed = "fw-download-failed" in self.quirks
            return ("DownloadFailed" if failed else "Downloaded"), self.download_s
        if word == "Downloaded" and order.signed:
            bad = "fw-bad-signature" in self.quirks
            return ("InvalidSignature" if bad else "SignatureVerified"), 0.0
        if word in {"Downloaded", "SignatureVerified"}:
            return "Installing", 0.0
        if word == "Installing":
            failed = "fw-install-failed" in self.quirks
            return ("InstallationFailed" if failed else "InstallRebooting"), self.install_s
        return ("Installed", 1e9) if word == "InstallRebooting" else (None, 0.0)

    def _says(self, word: FirmwareWord) -> bool:
        return not self._is_16 or self._signed or word in _WORDS_16

    @property
    def _signed(self) -> bool:
        return self._order is not None and self._order.signed

    def _note(self, word: FirmwareWord) -> FirmwareNote:
        order = self._order
        signed = self._is_16 and self._signed
        request_id = None if order is None or word == "Idle" else order.request_id
        return FirmwareNote(word, request_id, signed=signed)


def _version_of(location: str, former: str) -> str:
    found = _NUMBER.findall(location.rsplit("/", 1)[-1])
    if found:
        return found[-1]
    head, _, last = former.rpartition(".")
    return f"{head}.{int(last) + 1}"
