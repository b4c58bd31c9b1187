"""OCPP 2.1: the blocks of 2.0.1, and what came new.

The rows of 2.0.1 decode with the structs of 2.1 here. What is new has no effect in the house yet:
notifications are kept, requests of stations that need one are refused, and everything that we may
send can be sent over REST.
"""

from __future__ import annotations

from csms.ocpp.dialects import Dialect
from csms.ocpp.table import Block
from csms.ocpp.v201 import BLOCKS
from csms.ocpp.wire import v21

PAYMENT = Block(
    "C. Authorisation: payment (2.1)",
    notes=("NotifySettlement",),
    unsupported={"VatNumberValidation": "there is no register of VAT numbers here"},
    sent=("NotifyWebPaymentStarted",),
)
TARIFF = Block(
    "I. Tariff and cost (2.1)",
    sent=("ChangeTransactionTariff", "ClearTariffs", "GetTariffs", "SetDefaultTariff"),
)
SMART_CHARGING = Block(
    "K. Smart charging (2.1)",
    notes=("NotifyPriorityCharging",),
    unsupported={"PullDynamicScheduleUpdate": "dynamic profiles are not planned with yet"},
    sent=("UpdateDynamicSchedule", "UsePriorityCharging"),
)
CERTIFICATES = Block(
    "M. ISO 15118 certificate management (2.1)",
    unsupported={"GetCertificateChainStatus": "there is no OCSP client here yet"},
)
DIAGNOSTICS = Block(
    "N. Diagnostics: periodic event streams (2.1)",
    notes=("ClosePeriodicEventStream", "NotifyPeriodicEventStream"),
    unsupported={"OpenPeriodicEventStream": "event streams are not read yet"},
    sent=("AdjustPeriodicEventStream", "GetPeriodicEventStream"),
    unanswered=("NotifyPeriodicEventStream",),
)
BIDIRECTIONAL = Block(
    "Q. Bidirectional power transfer (2.1)", sent=("AFRRSignal", "NotifyAllowedEnergyTransfer")
)
DER = Block(
    "R. DER control (2.1)",
    notes=("NotifyDERAlarm", "NotifyDERStartStop", "ReportDERControl"),
    sent=("ClearDERControl", "GetDERControl", "SetDERControl"),
)
BATTERY_SWAP = Block(
    "S. Battery swapping (2.1)", notes=("BatterySwap",), sent=("RequestBatterySwap",)
)

V21 = Dialect(
    "ocpp2.1",
    "2.1",
    v21.REQUESTS,
    v21.RESPONSES,
    (
        *BLOCKS,
        PAYMENT,
        TARIFF,
        SMART_CHARGING,
        CERTIFICATES,
        DIAGNOSTICS,
        BIDIRECTIONAL,
        DER,
        BATTERY_SWAP,
    ),
)
