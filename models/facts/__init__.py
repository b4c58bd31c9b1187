"""Facts: what a station, car or meter told us, in no protocol's words.

A Fact is hearsay: it says what was reported, not what is so. Deciders judge it. Words that OCPP 1.6
and 2.x share (statuses, reasons, contexts) are kept as the specification spells them; everything
else is ours, with units normalised. Facts are msgspec structs because making one is on the hot
path: a frozen dataclass costs five times as much.

`evse_id` 0 means the station as a whole. On 1.6 a connector is an EVSE with the single connector
1, so connectorId n becomes `evse_id` n.

Which answer (`models.answers`) each wants: BootReported a BootAnswer, HeartbeatReported a
HeartbeatAnswer, TokenPresented a TokenAnswer, TransactionReported a TransactionAnswer,
DataReceived a DataAnswer, CertificateRequested a SigningAnswer; CertificateStatusAsked,
CertificateChainAsked, ContractAsked, NeedsReported, CarScheduleReported and StreamOpened a
VerdictAnswer; all others EMPTY.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from models.proofs import Proof

Scheme = Literal["1.6", "2.x"]
"""Whose rules of identity apply: who numbers transactions, and how a replay is known."""
ConnectorStatus = Literal[
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Occupied",
    "Reserved",
    "Unavailable",
    "Faulted",
]
"""1.6 tells five kinds of being in use; 2.x says `Occupied` for all of them."""
TransactionKind = Literal["started", "updated", "ended"]
ReservationUpdate = Literal["Expired", "Removed", "NoTransaction"]
"""Its time is over; the station can't keep it; its holder came and did not charge (2.1)."""
SettledState = Literal["answered", "failed", "unknown"]
OutcomeStatus = Literal["accepted", "rejected", "scheduled", "not-supported", "unknown"]
"""What a station said to a command: yes; no; yes, but later (after a reboot, or once a transaction
has ended); it can't; or an answer that we can't read."""


FirmwareStatus = Literal[
    "Downloaded",
    "DownloadFailed",
    "Downloading",
    "DownloadScheduled",
    "DownloadPaused",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
    "InstallRebooting",
    "InstallScheduled",
    "InstallVerificationFailed",
    "InvalidSignature",
    "SignatureVerified",
]
"""How far a station is with new firmware; 1.6 without a signature knows seven of them."""


LogStatus = Literal[
    "AcceptedCanceled",
    "BadMessage",
    "Idle",
    "NotSupportedOperation",
    "PermissionDenied",
    "Uploaded",
    "UploadFailed",
    "UploadFailure",
    "Uploading",
]
"""How far a station is with the upload of a log; `UploadFailed` is what 1.6 says of diagnostics."""


DOUBTFUL_TIME = frozenset({"time-unreadable", "time-implausible"})
"""Of the marks in `Fact.suspect`, those that say the station has no clock to go by."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """All that one meter said of one instant in one context at one location.

    Values that could not be read as numbers, or in a unit that is not known, stand in `other` as
    they came.
    """

    measured_at: datetime
    context: str = "Sample.Periodic"
    location: str = "Outlet"
    energy_wh: float | None = None
    """The import register, not a difference; the sum of the phases where no total was sent."""
    power_w: float | None = None
    """Active power into the car; the sum of the phases where no total was sent."""
    current_a: tuple[float | None, ...] | None = None
    """One value where no phase was named, else L1, L2, L3 (None: not reported)."""
    voltage_v: tuple[float | None, ...] | None = None
    """As `current_a`, phase to neutral."""
    soc_pct: float | None = None
    """The car's; what a station reports of it at the EV stands at the outlet."""
    other: dict[str, Any] | None = None
    """The rest, by `Measurand` or `Measurand@phase`, in the station's unit after a `:`."""


class VariableState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One setting of a station as it stands there."""

    name: str
    """1.6: the configuration key. 2.x: the variable."""
    component: str | None = None
    component_instance: str | None = None
    instance: str | None = None
    evse_id: int | None = None
    connector_id: int | None = None
    attribute: str = "Actual"
    """2.x: Actual, Target, MinSet or MaxSet."""
    value: str | None = None
    """None: write-only, or not set."""
    read_only: bool = False
    max_limit: float | None = None
    """2.x: the largest value that it can have, where a report tells."""


class MonitorState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a station watches by itself (2.x)."""

    monitor_id: int
    variable: VariableState
    kind: str
    """UpperThreshold, LowerThreshold, Delta, Periodic and so on."""
    value: float
    severity: int
    transaction: bool = False
    """While a transaction runs only."""


class MonitorNews(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Monitors that are there, and that are not there any more."""

    monitors: tuple[MonitorState, ...] = ()
    gone: tuple[int, ...] = ()
    request_id: int | None = None
    """Of the report that is complete with this: others that were told before it are gone."""


class StationEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Something that a station has noticed by itself (2.x)."""

    event_id: int
    measured_at: datetime
    variable: VariableState
    """Which, and its value then."""
    trigger: str
    """Alerting, Delta or Periodic."""
    notification: str
    """HardWiredNotification, HardWiredMonitor, PreconfiguredMonitor or CustomMonitor."""
    severity: int | None = None
    """2.1 only; elsewhere that of its monitor, where we know it."""
    monitor_id: int | None = None
    cause: int | None = None
    """The event that has led to this one."""
    cleared: bool = False
    """It is over."""
    ocpp_transaction_id: str | None = None
    tech_code: str | None = None
    tech_info: str | None = None


class Fact(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """What all facts have in common."""

    station: str
    """The identity that the station logged in with."""
    received_at: datetime
    """By our clock."""
    suspect: tuple[str, ...] = ()
    """Why it may not be what it seems, in order of discovery, each once: `time-unreadable` (ours
    taken), `time-implausible` (before 2000 or after 2100), `time-without-zone` (taken as UTC),
    `time-sloppy` (readable, but not RFC 3339), `value-unreadable` (kept in a reading's `other`),
    `unknown-fields` and `schema` (left out, with what broke the schema)."""


class BootReported(Fact, frozen=True, gc=False, kw_only=True):
    """A station has started, or says so because we asked."""

    vendor: str
    model: str
    serial_number: str | None = None
    firmware_version: str | None = None
    reason: str | None = None
    """2.x: PowerUp, Watchdog, Triggered and so on."""
    iccid: str | None = None
    imsi: str | None = None
    meter_type: str | None = None
    meter_serial_number: str | None = None


class HeartbeatReported(Fact, frozen=True, gc=False, kw_only=True):
    """A station is alive. Carries nothing to lose, so it is answered from memory."""


class ConnectorReported(Fact, frozen=True, gc=False, kw_only=True):
    """A connector, an EVSE or the station as a whole (`evse_id` 0) has this status."""

    evse_id: int
    connector_id: int
    """0 where `evse_id` is 0."""
    status: ConnectorStatus
    measured_at: datetime
    error_code: str | None = None
    """1.6 only; None stands for its `NoError`."""
    info: str | None = None
    vendor_error_code: str | None = None
    events: tuple[StationEvent, ...] = ()
    """What else the message tells (2.x NotifyEvent)."""


class TokenPresented(Fact, frozen=True, gc=False, kw_only=True):
    """Somebody asks whether a token may charge."""

    scheme: Scheme
    id_token: str
    token_type: str | None = None
    """2.x: ISO14443, eMAID, Central and so on; 1.6 does not say."""
    proof: Proof | None = None
    """2.x: certificates that come with the name of a contract."""


class TransactionReported(Fact, frozen=True, gc=False, kw_only=True):
    """A transaction has begun, gone on or ended.

    1.6: a start has no `ocpp_transaction_id` (we give it) and a stop has no `evse_id`. 2.x: every
    event has the station's id and a `seq_no`; token and EVSE may come with any of them.
    """

    kind: TransactionKind
    scheme: Scheme
    measured_at: datetime
    ocpp_transaction_id: str | None = None
    evse_id: int | None = None
    connector_id: int | None = None
    id_token: str | None = None
    token_type: str | None = None
    meter_wh: float | None = None
    """1.6: meterStart or meterStop. On 2.x the register is in `readings`."""
    readings: tuple[Reading, ...] = ()
    seq_no: int | None = None
    trigger: str | None = None
    """2.x: why this event was sent (CablePluggedIn, MeterValuePeriodic and so on)."""
    charging_state: str | None = None
    """2.x: EVConnected, Charging, SuspendedEV, SuspendedEVSE or Idle."""
    stop_reason: str | None = None
    offline: bool = False
    remote_start_id: int | None = None
    reservation_id: int | None = None


class ReadingsReported(Fact, frozen=True, gc=False, kw_only=True):
    """Meter values, of a transaction (1.6) or of an EVSE."""

    scheme: Scheme
    evse_id: int
    ocpp_transaction_id: str | None = None
    readings: tuple[Reading, ...] = ()


class MonitorsReported(Fact, frozen=True, gc=False, kw_only=True):
    """One part of what a station watches, or what became of a wish to watch something."""

    news: MonitorNews


class EventsReported(Fact, frozen=True, gc=False, kw_only=True):
    """What a station has noticed by itself."""

    events: tuple[StationEvent, ...]


class VariablesReported(Fact, frozen=True, gc=False, kw_only=True):
    """One part of a station's inventory (2.x NotifyReport), or a whole 1.6 configuration."""

    request_id: int | None = None
    seq_no: int = 0
    last: bool = True
    measured_at: datetime | None = None
    variables: tuple[VariableState, ...] = ()


class ReservationReported(Fact, frozen=True, gc=False, kw_only=True):
    """A station keeps an EVSE free no longer (2.x)."""

    reservation_id: int
    update: ReservationUpdate


class DataReceived(Fact, frozen=True, gc=False, kw_only=True):
    """A message outside the specification (DataTransfer)."""

    vendor_id: str
    message_id: str | None = None
    data: str | None = None
    """Text on 1.6, JSON text on 2.x."""


class FirmwareReported(Fact, frozen=True, gc=False, kw_only=True):
    """How far a station is with new firmware, or that it is about nothing of the kind (`Idle`)."""

    status: FirmwareStatus
    request_id: int | None = None
    """Of the update that we asked for; 1.6 does not say it without a signature."""


class LogReported(Fact, frozen=True, gc=False, kw_only=True):
    """How far a station is with the upload of a log, or that it uploads none (`Idle`)."""

    status: LogStatus
    request_id: int | None = None
    """Of the log that we asked for; 1.6 does not say it of diagnostics."""


class NoteReported(Fact, frozen=True, gc=False, kw_only=True):
    """A notification that wants no more than being kept."""

    action: str
    payload: bytes
    """The JSON as it came."""


class SecurityReported(Fact, frozen=True, gc=False, kw_only=True):
    """A security event: told by the station, or seen by us at the door (`source`)."""

    kind: str
    measured_at: datetime
    tech_info: str | None = None
    source: Literal["station", "gateway"] = "station"


class CertificatePresented(Fact, frozen=True, gc=False, kw_only=True):
    """A station has logged in with a certificate that it was not seen with before (by the gateway).

    The rest is what the certificate says.
    """

    fingerprint: str
    """SHA-256 of the whole, hexadecimal."""
    serial: str
    issuer: str
    pem: str
    not_before: datetime
    not_after: datetime


class LoginProved(Fact, frozen=True, gc=False, kw_only=True):
    """A station whose login is being changed has logged in (by the gateway)."""

    security_profile: int
    """The highest that this login is good for."""
    next_password: bool
    """It gave the password that it is to change to."""


class CertificateRequested(Fact, frozen=True, gc=False, kw_only=True):
    """A station asks to have a certificate of its own signed."""

    request: str
    """PKCS#10 as PEM text, not yet read."""
    purpose: Literal["station", "vehicle"] = "station"
    """`vehicle`: for talking with cars (ISO 15118)."""
    request_id: int | None = None
    """2.1: the answer repeats it."""


class Quarantined(Fact, frozen=True, gc=False, kw_only=True):
    """A message that must not be lost and can't be understood: kept raw, answered as accepted."""

    action: str
    raw: bytes
    """The payload as it came; may hold NUL, lone surrogates or no JSON at all."""
    reason: str


class ConnectionChanged(Fact, frozen=True, gc=False, kw_only=True):
    """A station has come or gone (made by the gateway)."""

    online: bool
    epoch: int
    """Counts the connections of this identity; commands of an older epoch are read back."""
    held_by: int | None = None
    """The number of the service that it has come to or gone from."""
    formerly: tuple[int, ...] = ()
    """Numbers that this service had before, by which it may still be known for the holder."""
    subprotocol: str | None = None
    detail: str | None = None


class StationCaughtUp(Fact, frozen=True, gc=False, kw_only=True):
    """A station that has come has fallen silent: what it had queued is told (by the gateway)."""

    epoch: int
    """Of its connection."""


class StationsSeen(Fact, frozen=True, gc=False, kw_only=True):
    """When stations were last heard, flushed every few seconds; `station` is the node's name."""

    seen: tuple[tuple[str, datetime], ...]


class CommandSent(Fact, frozen=True, gc=False, kw_only=True):
    """A command is about to leave through the socket (made by the gateway)."""

    command_id: str
    epoch: int


class CommandSettled(Fact, frozen=True, gc=False, kw_only=True):
    """A command's fate: answered, failed (CALLERROR, never sent) or unknown (by the gateway)."""

    command_id: str
    state: SettledState
    outcome: OutcomeStatus | None = None
    """What the answer means; None unless answered."""
    response: str | None = None
    """The answer's payload as JSON text; None unless answered."""
    error_code: str | None = None
    detail: str | None = None
    list_version: int | None = None
    """Of the list of tokens that it holds, where it was asked (ReadLocalListVersion)."""
    limits: tuple[tuple[int, float], ...] = ()
    """What it will allow, where it was asked (ReadLimit): from so many seconds on, so many W."""
