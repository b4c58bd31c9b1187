"""Commands about firmware that a local controller offers to the stations behind it (2.x)."""

from __future__ import annotations

from models.commands.base import Command


class PublishFirmware(Command, frozen=True, kw_only=True):
    """Fetch this firmware, and offer it to the stations behind you."""

    request_id: int
    """Repeated in what you tell of it."""
    location: str
    checksum: str
    """MD5 of the firmware, 32 hexadecimal digits."""
    retries: int | None = None
    retry_interval_s: int | None = None


class UnpublishFirmware(Command, frozen=True, kw_only=True):
    """Offer this firmware no longer."""

    checksum: str
