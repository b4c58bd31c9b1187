"""What a station wants to tell its central system, in no version's words.

A station puts notices into its outbox; a voice (`simulators.voice`) says them in its version
and brings back what was answered. Notices keep the time at which things happened, so that one
said hours later, after a lost connection, still tells the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal


@dataclass(slots=True)
class Transaction:
    """A charging transaction as the station knows it; the station alone changes it."""

    local_id: str
    """The station's own name for it; on 2.x also the transactionId."""
    evse_id: int
    token: str
    started_at: datetime
    meter_start_wh: int
    remote_start_id: int | None = None
    reservation_id: int | None = None
    """Of the reservation that it uses up."""
    ocpp_id: int | None = None
    """What a 1.6 central system has given it; None until it has answered."""
    seq_no: int = 0
    authorised: bool = True
    next_meter_at: datetime | None = None

    def take_seq_no(self) -> int:
        """Returns the number of the next event about it (2.x)."""
        self.seq_no += 1
        return self.seq_no - 1

    @property
    def names(self) -> tuple[str, ...]:
        """The ids by which a central system may name it."""
        given = () if self.ocpp_id is None else (str(self.ocpp_id),)
        return (self.local_id, *given)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the meter of an EVSE shows at an instant."""

    measured_at: datetime
    energy_wh: int
    power_w: float
    current_a: float
    voltage_v: float
    phases: int
    soc_pct: float | None


ChargingState = Literal["EVConnected", "Charging", "SuspendedEVSE", "SuspendedEV", "Idle"]
UpdateTrigger = Literal["MeterValuePeriodic", "ChargingStateChanged", "Authorized", "Trigger"]
EndReason = Literal[
    "EVDisconnected", "Remote", "PowerLoss", "DeAuthorized", "UnlockCommand", "Reset"
]
BootReason = Literal["PowerUp", "RemoteReset", "ApplicationReset", "FirmwareUpdate"]
FirmwareWord = Literal[
    "Downloaded",
    "DownloadFailed",
    "Downloading",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
    "InstallRebooting",
    "InvalidSignature",
    "SignatureVerified",
]
"""What stations here say of an update."""
LogWord = Literal["Idle", "Uploading", "Uploaded", "UploadFailure"]
"""What stations here say of an upload."""
ConnectorStatus = Literal[
    "Available", "Preparing", "Occupied", "Finishing", "Reserved", "Unavailable", "Faulted"
]
"""`Occupied` becomes the 1.6 words by the charging state."""


@dataclass(frozen=True, slots=True)
class Boot:
    """The station has started."""

    reason: BootReason


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The station has nothing to say and is well."""


@dataclass(frozen=True, slots=True)
class Status:
    """A connector's status; EVSE 0 is the station itself (1.6 only)."""

    evse_id: int
    status: ConnectorStatus
    charging_state: ChargingState
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Ask:
    """A token was presented: may it charge?"""

    evse_id: int
    token: str
    remote_start_id: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A transaction has begun."""

    transaction: Transaction
    sample: Sample
    seq_no: int
    charging_state: ChargingState
    trigger: Literal["CablePluggedIn", "Authorized", "RemoteStart"]
    with_token: bool
    offline: bool


@dataclass(frozen=True, slots=True)
class Updated:
    """A transaction goes on: a meter sample, or a change of state."""

    transaction: Transaction
    sample: Sample
    seq_no: int
    charging_state: ChargingState
    trigger: UpdateTrigger
    with_token: bool
    offline: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """A transaction has ended."""

    transaction: Transaction
    sample: Sample
    seq_no: int
    reason: EndReason
    offline: bool


@dataclass(frozen=True, slots=True)
class Metered:
    """A meter sample of an EVSE outside any transaction."""

    evse_id: int
    sample: Sample


@dataclass(frozen=True, slots=True)
class Report:
    """One part of the inventory that was asked for (2.x)."""

    request_id: int
    seq_no: int
    last: bool
    variables: tuple[tuple[str, str, str, bool], ...]
    """Component, variable, value, and whether it can be written."""


@dataclass(frozen=True, slots=True)
class ReservationGone:
    """An EVSE is not kept free any more, and nobody has used it (2.x)."""

    number: int
    reason: Literal["Expired", "Removed"]


@dataclass(frozen=True, slots=True)
class FirmwareNote:
    """How far an update of firmware is."""

    word: FirmwareWord = "Idle"
    request_id: int | None = None
    """Of the update, where the central system has given one."""
    signed: bool = False
    """Whether 1.6 has other words for it."""


@dataclass(frozen=True, slots=True)
class SignRequest:
    """A new key is to be certified."""

    csr: str
    """PKCS#10, PEM."""


@dataclass(frozen=True, slots=True)
class LogNote:
    """How far the upload of a log is."""

    word: LogWord = "Idle"
    request_id: int | None = None
    """Of the upload, where the central system has given one."""
    diagnostics: bool = False
    """Whether 1.6 says it in the words of GetDiagnostics."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """One variable, and when it is worth telling of."""

    component: str
    evse_id: int | None
    variable: str
    kind: str
    value: float
    severity: int
    transaction: bool = False
    id: int = 0
    """0: none yet."""

    @property
    def place(self) -> tuple[str, int | None, str, str, int]:
        """What no two of them share."""
        return self.component, self.evse_id, self.variable, self.kind, self.severity


@dataclass(frozen=True, slots=True)
class MonitorPart:
    """One part of what the station watches, as it was asked for (2.x)."""

    request_id: int
    seq_no: int
    last: bool
    monitor: Monitor


@dataclass(frozen=True, slots=True)
class EventNote:
    """The station has noticed something by itself (2.x)."""

    number: int
    noticed_at: datetime
    monitor: Monitor
    value: str
    cleared: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Something that the station's version has words for, and they are chosen already (2.x)."""

    action: str
    fields: dict[str, Any]
    """By the names of the `ocpp` package."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What the payment terminal has made of a payment (2.1)."""

    psp_ref: str
    amount: float
    settled_at: datetime
    status: Literal["Settled", "Canceled", "Rejected", "Failed"] = "Settled"
    transaction_id: str | None = None
    receipt_id: str | None = None
    vat_number: str | None = None
    company: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class VatQuestion:
    """Somebody has typed a VAT number (2.1)."""

    vat_number: str
    evse_id: int | None = None


@dataclass(frozen=True, slots=True)
class PriorityPress:
    """A driver wants to charge before others, or no longer (2.1)."""

    transaction_id: str
    active: bool


@dataclass(frozen=True, slots=True)
class ScheduleQuestion:
    """The station wants to know how a dynamic profile goes on (2.1)."""

    profile_id: int


def _unheard(_answer: dict[str, Any]) -> None:
    """Nobody waits for the answer."""


@dataclass(frozen=True, slots=True)
class Words:
    """A call as the specification spells it, of a part that is seldom spoken of (2.x)."""

    action: str
    payload: dict[str, Any]
    answered: Callable[[dict[str, Any]], None] = _unheard
    """Takes the payload of the answer."""
    unanswered: bool = False
    """It is a SEND (2.1)."""


Notice = (
    Boot
    | Heartbeat
    | Status
    | Ask
    | Started
    | Updated
    | Ended
    | Metered
    | Report
    | ReservationGone
    | FirmwareNote
    | SignRequest
    | LogNote
    | MonitorPart
    | EventNote
    | Words
    | Told
    | Payment
    | VatQuestion
    | PriorityPress
    | ScheduleQuestion
)

KEPT_OFFLINE = (Boot, Started, Updated, Ended)
"""What a station queues while it can't be heard: its start, and what transactions are billed by."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a notice, as far as a station acts on it."""

    accepted: bool = True
    status: str = "Accepted"
    interval_s: int | None = None
    transaction_id: int | None = None
    group: str | None = None
    """The group of the token that was asked about."""
