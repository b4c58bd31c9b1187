"""What local controllers tell of the firmware that they offer to the stations behind them (2.x)."""

from __future__ import annotations

from typing import Literal

from models.facts import Fact

PublishStatus = Literal[
    "Idle",
    "DownloadScheduled",
    "Downloading",
    "Downloaded",
    "Published",
    "DownloadFailed",
    "DownloadPaused",
    "InvalidChecksum",
    "ChecksumVerified",
    "PublishFailed",
]


class PublishReported(Fact, frozen=True, gc=False, kw_only=True):
    """How far a controller is with firmware that it is to offer."""

    status: PublishStatus
    request_id: int | None
    """None: it offers none (`Idle`)."""
    locations: tuple[str, ...]
    """Where others find it, once it is published."""


class PublishAnswered(Fact, frozen=True, gc=False, kw_only=True):
    """Whether a controller will offer firmware."""

    request_id: int
    accepted: bool
    detail: str | None


class Unpublished(Fact, frozen=True, gc=False, kw_only=True):
    """A controller offers firmware no longer."""

    checksum: str
