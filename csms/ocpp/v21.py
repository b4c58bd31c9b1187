"""OCPP 2.1: the blocks of 2.0.1, and what came new.

The rows of 2.0.1 decode with the structs of 2.1 here. What is new and has something to map has a
module in `csms.ocpp.blocks`; of the rest, notifications are kept, requests that need an effect are
refused, and everything that we may send can be sent over REST.
"""

from __future__ import annotations

from csms.ocpp.blocks import payment, priority, tariffs
from csms.ocpp.dialects import Dialect
from csms.ocpp.table import Block
from csms.ocpp.v201 import BLOCKS
from csms.ocpp.wire import v21

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
        payment.PAYMENT,
        tariffs.TARIFF,
        priority.BLOCK,
        CERTIFICATES,
        DIAGNOSTICS,
        BIDIRECTIONAL,
        DER,
        BATTERY_SWAP,
    ),
)
