"""The settings of a station, by the names of OCPP 1.6, and how 2.x names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simulators.credentials import Credentials
from simulators.scenario import StationKind

SetStatus = Literal["Accepted", "Rejected", "NotSupported", "RebootRequired"]

MAX_STACK_LEVEL = 8
MAX_PROFILES = 16
MAX_TOKENS = 500
MAX_TOKENS_AT_ONCE = 20


NAMES_2X = {
    ("OCPPCommCtrlr", "HeartbeatInterval"): "HeartbeatInterval",
    ("OCPPCommCtrlr", "WebSocketPingInterval"): "WebSocketPingInterval",
    ("SampledDataCtrlr", "TxUpdatedInterval"): "MeterValueSampleInterval",
    ("AlignedDataCtrlr", "Interval"): "ClockAlignedDataInterval",
    ("TxCtrlr", "EVConnectionTimeOut"): "ConnectionTimeOut",
    ("TxCtrlr", "StopTxOnInvalidId"): "StopTransactionOnInvalidId",
    ("AuthCtrlr", "AuthorizeRemoteStart"): "AuthorizeRemoteTxRequests",
    ("AuthCacheCtrlr", "Enabled"): "AuthorizationCacheEnabled",
    ("AuthCtrlr", "LocalAuthorizeOffline"): "LocalAuthorizeOffline",
    ("AuthCtrlr", "OfflineTxForUnknownIdEnabled"): "AllowOfflineTxForUnknownId",
    ("LocalAuthListCtrlr", "Enabled"): "LocalAuthListEnabled",
    ("LocalAuthListCtrlr", "Entries"): "LocalAuthListMaxLength",
    ("LocalAuthListCtrlr", "ItemsPerMessage"): "SendLocalListMaxLength",
    ("ReservationCtrlr", "NonEvseSpecific"): "ReserveConnectorZeroSupported",
    ("SmartChargingCtrlr", "ProfileStackLevel"): "ChargeProfileMaxStackLevel",
    ("SmartChargingCtrlr", "RateUnit"): "ChargingScheduleAllowedChargingRateUnit",
    ("SecurityCtrlr", "OrganizationName"): "OrganizationName",
    ("OCPPCommCtrlr", "NetworkConfigurationPriority"): "NetworkConfigurationPriority",
    ("SecurityCtrlr", "BasicAuthPassword"): "AuthorizationKey",
}
"""Component and variable of 2.x, and the name of the same setting of 1.6."""
ENTRIES = "Entries"
"""Its value is how many tokens are on the list, its largest value how many there may be."""


@dataclass(slots=True)
class Variable:
    """One setting."""

    value: str
    writable: bool
    number: bool = False


class Variables:
    """What can be read and written over the air."""

    def __init__(self, kind: StationKind, meter_every_s: int, credentials: Credentials) -> None:
        profiles = (
            "Core,FirmwareManagement,LocalAuthListManagement,RemoteTrigger,Reservation,"
            "SmartCharging"
        )
        self._all = {
            "HeartbeatInterval": Variable("300", writable=True, number=True),
            "MeterValueSampleInterval": Variable(str(meter_every_s), writable=True, number=True),
            "ClockAlignedDataInterval": Variable("0", writable=True, number=True),
            "WebSocketPingInterval": Variable("0", writable=True, number=True),
            "AuthorizeRemoteTxRequests": Variable("false", writable=True),
            "AllowOfflineTxForUnknownId": Variable("true", writable=True),
            "AuthorizationCacheEnabled": Variable("true", writable=True),
            "LocalAuthListEnabled": Variable("true", writable=True),
            "LocalAuthListMaxLength": Variable(str(MAX_TOKENS), writable=False, number=True),
            "LocalAuthorizeOffline": Variable("true", writable=True),
            "SendLocalListMaxLength": Variable(
                str(MAX_TOKENS_AT_ONCE), writable=False, number=True
            ),
            "StopTransactionOnInvalidId": Variable("true", writable=True),
            "ConnectionTimeOut": Variable("120", writable=True, number=True),
            "NumberOfConnectors": Variable(str(kind.evses), writable=False, number=True),
            "ReserveConnectorZeroSupported": Variable("true", writable=False),
            "SupportedFeatureProfiles": Variable(profiles, writable=False),
            "ChargeProfileMaxStackLevel": Variable(
                str(MAX_STACK_LEVEL), writable=False, number=True
            ),
            "MaxChargingProfilesInstalled": Variable(
                str(MAX_PROFILES), writable=False, number=True
            ),
            "ChargingScheduleAllowedChargingRateUnit": Variable("Current,Power", writable=False),
        }
        self._credentials = credentials
        self.new_password: str | None = None
        """Set by the central system; the next connection uses it."""

    @property
    def meter_every_s(self) -> int:
        """Seconds between meter samples while power flows."""
        return max(1, int(self._all["MeterValueSampleInterval"].value))

    @property
    def heartbeat_every_s(self) -> int:
        """Seconds of silence after which a heartbeat is due."""
        return max(10, int(self._all["HeartbeatInterval"].value))

    @heartbeat_every_s.setter
    def heartbeat_every_s(self, seconds: int) -> None:
        self._all["HeartbeatInterval"].value = str(seconds)

    def names(self) -> tuple[str, ...]:
        """Returns the names of all settings."""
        return tuple(self._all)

    def get(self, name: str) -> Variable | None:
        """Returns a setting; None if there is none of that name."""
        return self._all.get(name)

    def is_on(self, name: str) -> bool:
        """Returns whether a switch is there and on."""
        variable = self._all.get(name)
        return variable is not None and variable.value.lower() == "true"

    def set(self, name: str, value: str) -> SetStatus:
        """Writes a setting; `NotSupported` if there is none of that name."""
        if name == "AuthorizationKey":
            self.new_password = value
            return "Accepted"
        if name in {"CpoName", "OrganizationName"}:
            self._credentials.organisation = value
            return "Accepted"
        if name in {"SecurityProfile", "NetworkConfigurationPriority"}:
            return self._set_profile(name, value)
        variable = self._all.get(name)
        if variable is None:
            return "NotSupported"
        if not variable.writable or (variable.number and not value.isdecimal()):
            return "Rejected"
        variable.value = value
        return "Accepted"

    def _set_profile(self, name: str, value: str) -> SetStatus:
        if name == "SecurityProfile":
            taken = value.isdecimal() and self._credentials.try_profile(int(value))
            self._credentials.wants_redial = taken
            return "Accepted" if taken else "Rejected"
        first = value.partition(",")[0]
        profile = self._credentials.network.get(int(first) if first.isdecimal() else -1)
        taken = profile is not None and self._credentials.try_profile(profile)
        return "RebootRequired" if taken else "Rejected"
