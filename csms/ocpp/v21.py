"""OCPP 2.1: the blocks of 2.0.1, whose rows decode with its own structs, and what is new."""

from __future__ import annotations

from csms.ocpp.blocks import (
    contracts,
    event_streams,
    grid,
    payment,
    priority,
    swapping,
    tariffs,
)
from csms.ocpp.dialects import Dialect
from csms.ocpp.table import Block
from csms.ocpp.v201 import BLOCKS
from csms.ocpp.wire import v21

CERTIFICATES = Block(
    "M. ISO 15118 certificate management (2.1)",
    heard=(contracts.CHAIN,),
)

V21 = Dialect(
    "ocpp2.1",
    "2.1",
    v21.REQUESTS,
    (
        *BLOCKS,
        payment.PAYMENT,
        tariffs.TARIFF,
        priority.BLOCK,
        CERTIFICATES,
        event_streams.BLOCK,
        grid.BIDIRECTIONAL,
        grid.DER,
        swapping.BLOCK,
    ),
)
