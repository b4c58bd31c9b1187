"""The dialects: which belongs to which websocket subprotocol."""

from __future__ import annotations

from csms.ocpp.dialects import Dialect
from csms.ocpp.v16 import V16
from csms.ocpp.v21 import V21
from csms.ocpp.v201 import V201

DIALECTS: tuple[Dialect, ...] = (V21, V201, V16)
"""Newest first."""

_BY_SUBPROTOCOL = {dialect.subprotocol: dialect for dialect in DIALECTS}


def dialect_of(subprotocol: str) -> Dialect:
    """Returns the dialect that speaks `subprotocol` ("ocpp1.6", "ocpp2.0.1", "ocpp2.1").

    Raises:
        KeyError: if none does.
    """
    return _BY_SUBPROTOCOL[subprotocol]
