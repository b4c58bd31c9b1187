"""The forms of what is asked for and shown of updates and campaigns."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    Strict,
    WithJsonSchema,
    model_validator,
)

from csms.stations.api import Identity
from csms.updates.queries import ConfigurationChange, FirmwareChange, Setting
from csms.web.documents import Document, Id, Instant, Name, Shown
from models.states import CampaignState, CampaignStationState, FirmwareUpdateState

SCHEMES = ("http", "https", "ftp", "ftps", "sftp")
DURATION_MAX = timedelta(days=365)
_SECRETS = frozenset({"authorizationkey", "basicauthpassword"})


def _duration(value: Any) -> Any:
    try:
        length = msgspec.convert(value, timedelta, strict=True)
    except msgspec.ValidationError:
        raise ValueError('a duration is ISO 8601 text without months, as "PT5M"') from None
    if not isinstance(value, str) or not timedelta() <= length <= DURATION_MAX:
        raise ValueError(f"a duration is text and lies between PT0S and P{DURATION_MAX.days}D")
    return timedelta(seconds=round(length.total_seconds()))


def _location(value: str) -> str:
    try:
        parts = urlsplit(value)
        found = parts.scheme.lower() in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        found = False
    if not found or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"an address begins with one of {', '.join(SCHEMES)} and names a host")
    return value


def _certificate(value: str) -> str:
    if "-----BEGIN CERTIFICATE-----" not in value:
        raise ValueError("a signing certificate is PEM text")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no time zone, as Europe/Paris") from None
    return value


Duration = Annotated[
    timedelta,
    Strict(strict=False),
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "format": "duration"}),
]
"""A length of time, as ISO 8601 text."""
Location = Annotated[str, Field(max_length=512), AfterValidator(_location)]
"""Where the station fetches its firmware; we never do."""
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Certificate = Annotated[str, Field(max_length=5500), AfterValidator(_certificate)]
Signature = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{1,798}={0,2}$")]
Count = Annotated[int, Field(ge=1, le=100_000)]
Share = Annotated[float, Field(gt=0, le=1)]


class NewFirmwareUpdate(Document):
    """Firmware that a station is to fetch and install."""

    location: Location
    retrieve_at: Instant | None = None
    """When it may fetch it; null: at once."""
    install_at: Instant | None = None
    """When it may install it; null: as soon as it can. On 1.6 only with a signature."""
    retries: Annotated[int, Field(ge=0, le=100)] | None = None
    """How often the station tries again to fetch it."""
    retry_interval: Duration | None = None
    signing_certificate: Certificate | None = None
    """PEM of the vendor's certificate; with `signature`. On 1.6 both make it a signed update."""
    signature: Signature | None = None
    """Of the firmware, in base64."""
    firmware_version: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    """What it is; a campaign leaves stations out that have it already."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> NewFirmwareUpdate:
        if (self.signing_certificate is None) != (self.signature is None):
            raise ValueError("signing_certificate and signature come together")
        return self

    def change(self) -> FirmwareChange:
        """Returns it as the house knows it."""
        values = self.model_dump(exclude={"retry_interval"})
        return FirmwareChange(**values, retry_interval_s=_seconds(self.retry_interval))


class NewSetting(Document):
    """A setting and the value that it is to have."""

    name: Annotated[str, Field(min_length=1, max_length=50)]
    """1.6: the configuration key. 2.x: the variable."""
    value: Annotated[str, Field(max_length=1000)]
    component: Annotated[str, Field(max_length=50)] | None = None
    """Required for stations that speak 2.x, ignored by those of 1.6."""
    component_instance: Annotated[str, Field(max_length=50)] | None = None
    instance: Annotated[str, Field(max_length=50)] | None = None
    evse_id: Annotated[int, Field(ge=1, le=100_000)] | None = None

    @model_validator(mode="after")
    def _no_secret(self) -> NewSetting:
        if self.name.lower() in _SECRETS:
            raise ValueError("passwords are set station by station")
        return self


class NewConfiguration(Document):
    """Settings that stations are to have, written in this order."""

    variables: Annotated[list[NewSetting], Field(min_length=1, max_length=50)]

    def change(self) -> ConfigurationChange:
        """Returns it as the house knows it."""
        return ConfigurationChange(
            variables=tuple(Setting(**each.model_dump()) for each in self.variables)
        )


class NewSelection(Document):
    """Which stations: all that is given must be so, and something must be given."""

    identities: Annotated[list[Identity], Field(min_length=1, max_length=1_000)] | None = None
    site_id: Id | None = None
    vendor: Name | None = None
    model: Name | None = None
    firmware_version: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    """What they have now."""

    @model_validator(mode="after")
    def _something(self) -> NewSelection:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("stations are chosen by identities, site, vendor, model or version")
        if self.identities and len(set(self.identities)) < len(self.identities):
            raise ValueError("each station is named once")
        return self


class NewWaves(Document):
    """How many stations may be under way at once, as a count or a share of all."""

    size: Count | None = None
    share: Share | None = None
    pause: Duration = timedelta()
    """From the end of one wave to the next."""

    @model_validator(mode="after")
    def _one_of_both(self) -> NewWaves:
        if (self.size is None) == (self.share is None):
            raise ValueError("either a size or a share")
        return self


class NewWindow(Document):
    """Time of the day at which stations may begin; over midnight where `from` is after `until`."""

    begins: Annotated[TimeOfDay, Field(alias="from")]
    until: TimeOfDay
    timezone: Annotated[str, Field(max_length=64), AfterValidator(_zone)]

    @model_validator(mode="after")
    def _some_time(self) -> NewWindow:
        if self.begins == self.until:
            raise ValueError("from and until are the same")
        return self


class NewAbort(Document):
    """How many may fail; one more, and the campaign breaks itself off."""

    failures: Annotated[int, Field(ge=0, le=100_000)] | None = None
    share: Annotated[float, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> NewAbort:
        if (self.failures is None) == (self.share is None):
            raise ValueError("either a number of failures or a share")
        return self


class NewCampaign(Document):
    """One change for many stations: firmware, or settings."""

    name: Name
    stations: NewSelection
    firmware: NewFirmwareUpdate | None = None
    configuration: NewConfiguration | None = None
    waves: NewWaves
    abort_above: NewAbort | None = None
    """Null: it goes on whatever fails."""
    window: NewWindow | None = None
    while_charging: bool = False
    """Whether stations may begin while they charge."""
    starts_at: Instant | None = None
    """Null: at once."""
    ends_at: Instant | None = None
    """What has not begun by then is missed; null: 30 days after the start."""

    @model_validator(mode="after")
    def _one_of_both(self) -> NewCampaign:
        if (self.firmware is None) == (self.configuration is None):
            raise ValueError("either firmware or configuration")
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at is after starts_at")
        return self


class StatusShown(Shown):
    """One word of a station about an update."""

    status: str
    received_at: AwareDatetime


class FirmwareUpdateShown(Shown):
    """A firmware update and what became of it."""

    id: str
    station: str
    campaign_id: str | None
    request_id: int
    location: str
    retrieve_at: AwareDatetime
    install_at: AwareDatetime | None
    retries: int | None
    retry_interval: timedelta | None
    signed: bool
    state: FirmwareUpdateState
    status: str | None
    """The last that the station has told, in the words of OCPP."""
    why: str | None
    firmware_before: str | None
    firmware_after: str | None
    """By the first Boot after it."""
    history: list[StatusShown]
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    updated_at: AwareDatetime


class FirmwareStatusShown(Shown):
    """What a station has told of its firmware."""

    id: str
    station: str
    status: str
    request_id: int | None
    update_id: str | None
    """Null where it is about no update that we have asked for."""
    received_at: AwareDatetime


class ProgressShown(Shown):
    """How many stations are in which state."""

    total: int
    waiting: int
    running: int
    done: int
    failed: int
    skipped: int
    missed: int


class CampaignShown(Shown):
    """A campaign."""

    id: str
    name: str
    kind: Literal["firmware", "configuration"]
    change: dict[str, Any]
    stations: dict[str, Any]
    state: CampaignState
    why: str | None
    progress: ProgressShown
    wave: int
    """How many have begun."""
    wave_size: int
    wave_pause: timedelta
    next_wave_at: AwareDatetime
    window: dict[str, str] | None
    max_failures: int | None
    while_charging: bool
    ends_at: AwareDatetime
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    """When the last station that had begun was through."""
    updated_at: AwareDatetime


class CampaignStationShown(Shown):
    """What became of a station in a campaign."""

    station: str
    wave: int | None
    state: CampaignStationState
    why: str | None
    status: str | None
    firmware_before: str | None
    firmware_after: str | None
    update_id: str | None
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None


class PreviewedStation(Shown):
    """Whether a station would be in a campaign."""

    station: str
    verdict: Literal["ready", "waits", "left-out"]
    why: str | None
    online: bool
    ocpp_version: str | None
    firmware_version: str | None


class PreviewShown(Shown):
    """What a campaign would come to if it began now."""

    ready: int
    waits: int
    left_out: int
    wave_size: int
    max_failures: int | None
    stations: list[PreviewedStation]


class ReportShown(Shown):
    """A campaign with the result of each station."""

    campaign: CampaignShown
    stations: list[CampaignStationShown]


def _seconds(length: timedelta | None) -> int | None:
    return None if length is None else round(length.total_seconds())


def ends_at_of(body: NewCampaign, now: datetime) -> datetime:
    """Returns when a campaign ends: as it says, or 30 days after its start."""
    return body.ends_at or max(body.starts_at or now, now) + timedelta(days=30)
