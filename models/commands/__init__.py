"""Commands: what we want a station to do, in no protocol's words.

The dialect of the station says each in its own protocol and reads the answer's meaning
(`models.facts.OutcomeStatus`). They are stored as JSON (`encode_command`, `decode_command`), so
every field has a name for good. `evse_id` 0 or None means the station as a whole.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from models.answers import TokenStatus
from models.commands.base import Command, VariableName
from models.commands.costs import (
    AnnounceWebPayment,
    ChangeTransactionTariff,
    ClearTariffs,
    ReadTariffs,
    SetDefaultTariff,
    TellCost,
)
from models.commands.customers import AskCustomer
from models.commands.displays import ClearMessage, ReadMessages, ShowMessage
from models.commands.event_streams import AdjustStream, ReadStreams
from models.commands.grid import (
    AllowEnergyTransfer,
    ClearDerControl,
    ReadDerControls,
    SendAfrrSignal,
    SetDerControl,
)
from models.commands.held_limits import ReadHeldLimits
from models.commands.monitors import (
    ClearMonitors,
    ReadMonitors,
    SetMonitoringBase,
    SetMonitoringLevel,
    SetMonitors,
)
from models.commands.priorities import SetPriorityLimit, UpdateSchedule, UsePriority
from models.commands.publishing import PublishFirmware, UnpublishFirmware
from models.commands.reports import ReadBaseReport, ReadReport
from models.commands.swapping import SwapBattery
from models.commands.transactions import CheckTransaction
from models.commands.upkeep import (
    DeleteRootCertificate,
    InstallRootCertificate,
    InstallSignedCertificate,
    ReadRootCertificates,
    SetNetworkProfile,
    UpdateFirmware,
    UploadLog,
)
from models.units import NOMINAL_VOLTAGE_V

LimitPurpose = Literal["transaction", "default", "station"]
"""For one transaction; for every transaction that has none of its own; for the whole station."""


class StartCharging(Command, frozen=True, kw_only=True):
    """Begin a transaction with this token."""

    evse_id: int | None
    id_token: str
    token_type: str = "Central"  # noqa: S105 - a kind, no secret
    """2.x only; `Central` is a token that our side vouches for."""
    remote_start_id: int
    """2.x stations repeat it in the transaction that follows."""


class StopCharging(Command, frozen=True, kw_only=True):
    """End a transaction. A pause is never a stop: it is a limit of 0."""

    ocpp_transaction_id: str


class ChangeAvailability(Command, frozen=True, kw_only=True):
    """Put an EVSE, or the whole station, in or out of service."""

    evse_id: int | None = None
    operative: bool


class Unlock(Command, frozen=True, kw_only=True):
    """Release a stuck cable. Never repeated blindly."""

    evse_id: int
    connector_id: int = 1


class Reset(Command, frozen=True, kw_only=True):
    """Restart the station, or one EVSE (2.x). Never repeated blindly."""

    kind: Literal["immediate", "on-idle"] = "on-idle"
    """1.6 `Hard` and `Soft`; 2.x `Immediate` and `OnIdle`."""
    evse_id: int | None = None


class TriggerMessage(Command, frozen=True, kw_only=True):
    """Say again what you would say by yourself."""

    message: Literal[
        "BootNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "SignCertificate",
        "StatusNotification",
        "TransactionEvent",
    ]
    evse_id: int | None = None
    connector_id: int | None = None
    """2.x only: of which plug of the EVSE a status is wanted; None: of the first."""


class ReadVariables(Command, frozen=True, kw_only=True):
    """Tell us these settings; without names all of them (2.x: as reports that follow)."""

    names: tuple[VariableName, ...] = ()
    request_id: int = 0
    """2.x reports repeat it."""


class VariableWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A setting and its new value."""

    variable: VariableName
    value: str


class WriteVariables(Command, frozen=True, kw_only=True):
    """Change settings. A 1.6 station takes one at a time."""

    values: tuple[VariableWrite, ...]


class LimitPeriod(msgspec.Struct, frozen=True, array_like=True):
    """From `start_s` after the schedule's start on, no more than `limit_w`."""

    start_s: int
    limit_w: float
    """At the grid side of the charger, over all phases; 0 is a pause."""
    phases: int | None = None
    """How many phases may be used; None leaves it to the station."""


class SetLimit(Command, frozen=True, kw_only=True):
    """Keep to this limit over time."""

    evse_id: int
    """0: the station as a whole, or every EVSE of it (`default`)."""
    purpose: LimitPurpose
    ocpp_transaction_id: str | None = None
    """Required for `transaction`, absent otherwise."""
    profile_id: int
    stack_level: int = 0
    periods: tuple[LimitPeriod, ...]
    duration_s: int | None = None
    """None: until replaced."""
    start_at: datetime | None = None
    """None: from the start of the transaction (or at once, where it has started). Required for
    `station`, because that has no transaction to start with."""
    tx_started_at: datetime | None = None
    """When its transaction began, for stations to which a limit must be told relative to that."""
    rate_unit: Literal["W", "A"] = "W"
    """What the station understands (its ChargingScheduleAllowedChargingRateUnit or RateUnit)."""
    phases: int = 3
    """How many phases the EVSE charges on: turns W into A where a period does not say."""
    voltage_v: float = NOMINAL_VOLTAGE_V
    """Phase to neutral; turns W into A."""
    quirks: tuple[str, ...] = ()
    """Say it as to a station that has these too: a check tries them before they are known."""

    def __post_init__(self) -> None:
        if not self.periods or self.periods[0].start_s != 0:
            raise ValueError("the first period of a limit starts at 0 s")
        if any(
            a.start_s >= b.start_s for a, b in zip(self.periods, self.periods[1:], strict=False)
        ):
            raise ValueError("the periods of a limit are in order of their start")
        if (self.purpose == "transaction") != (self.ocpp_transaction_id is not None):
            raise ValueError("a limit names a transaction if, and only if, it is for one")
        if self.purpose == "transaction" and self.evse_id < 1:
            raise ValueError("a limit for a transaction names its EVSE")
        if self.purpose == "station" and (self.evse_id != 0 or self.start_at is None):
            raise ValueError("a limit for the station has evse_id 0 and a start")


class ClearLimit(Command, frozen=True, kw_only=True):
    """Forget limits: the one with this id, else all that match."""

    profile_id: int | None = None
    evse_id: int | None = None
    purpose: LimitPurpose | None = None
    stack_level: int | None = None


class ReadLimit(Command, frozen=True, kw_only=True):
    """Tell us what you will allow from now on, all limits taken together."""

    evse_id: int
    duration_s: int
    rate_unit: Literal["W", "A"] = "W"


class ListedToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a station's own list says of a token."""

    id_token: str
    token_type: str = "Central"  # noqa: S105 - a kind, no secret
    """2.x only; 1.6 tokens have no type."""
    status: TokenStatus | None = None
    """None takes the token off the list."""
    expires_at: datetime | None = None
    parent: str | None = None
    """The group whose members may stop each other's transactions."""


class SendLocalList(Command, frozen=True, kw_only=True):
    """Keep this list of tokens, to judge by while we can't be asked."""

    version: int
    full: bool
    """In the place of the list that is there; otherwise these tokens of it change."""
    tokens: tuple[ListedToken, ...]
    """Each once; on a full list each with a status."""

    def __post_init__(self) -> None:
        if self.full and any(token.status is None for token in self.tokens):
            raise ValueError("a full list takes nothing off")
        if not self.full and not self.tokens:
            raise ValueError("a change of a list changes a token")


class ReadLocalListVersion(Command, frozen=True, kw_only=True):
    """Tell us which list of tokens you hold."""


class ClearCache(Command, frozen=True, kw_only=True):
    """Forget what you have been told of tokens."""


class ReserveEvse(Command, frozen=True, kw_only=True):
    """Keep an EVSE free for a token. The same id again takes the place of what was kept by it."""

    reservation_id: int
    evse_id: int | None = None
    """None: whichever EVSE of the station."""
    id_token: str
    token_type: str = "Central"  # noqa: S105 - a kind, no secret
    """2.x only; 1.6 tokens have no type."""
    group_token: str | None = None
    """Tokens of this group may use it too."""
    expires_at: datetime
    connector_type: str | None = None
    """2.x only, and only where no EVSE is named: `cCCS2`, `sType2` and so on."""


class CancelReservation(Command, frozen=True, kw_only=True):
    """Keep an EVSE free no longer."""

    reservation_id: int


class RawCommand(Command, frozen=True, kw_only=True):
    """An action of the station's own protocol, word by word."""

    action: str
    payload: dict[str, Any]


AnyCommand = (
    StartCharging
    | StopCharging
    | ChangeAvailability
    | Unlock
    | Reset
    | TriggerMessage
    | ReadVariables
    | WriteVariables
    | SetLimit
    | ClearLimit
    | ReadLimit
    | SendLocalList
    | ReadLocalListVersion
    | ClearCache
    | ReserveEvse
    | CancelReservation
    | UpdateFirmware
    | InstallSignedCertificate
    | InstallRootCertificate
    | ReadRootCertificates
    | DeleteRootCertificate
    | SetNetworkProfile
    | UploadLog
    | SetMonitors
    | ClearMonitors
    | ReadMonitors
    | SetMonitoringBase
    | SetMonitoringLevel
    | ShowMessage
    | ClearMessage
    | ReadMessages
    | ReadHeldLimits
    | ReadBaseReport
    | ReadReport
    | CheckTransaction
    | AskCustomer
    | PublishFirmware
    | UnpublishFirmware
    | TellCost
    | SetDefaultTariff
    | ReadTariffs
    | ClearTariffs
    | ChangeTransactionTariff
    | AnnounceWebPayment
    | UsePriority
    | SetPriorityLimit
    | UpdateSchedule
    | AllowEnergyTransfer
    | SendAfrrSignal
    | SetDerControl
    | ReadDerControls
    | ClearDerControl
    | AdjustStream
    | ReadStreams
    | SwapBattery
    | RawCommand
)
"""Every command there is, for typed matching and for reading them back."""

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)


def encode_command(command: AnyCommand) -> bytes:
    """Returns the command as JSON, its kind in the field `type`."""
    return _ENCODER.encode(command)


def decode_command(document: bytes | str) -> AnyCommand:
    """Returns the command that `encode_command` has written.

    Raises:
        msgspec.ValidationError: if it is none.
    """
    return _DECODER.decode(document)
