"""OCPP 2.0.1: the functional blocks A to P, each a module of `csms.ocpp.blocks`."""

from __future__ import annotations

from csms.ocpp.blocks import (
    authorization,
    availability,
    customers,
    data_transfer,
    diagnostics,
    displays,
    firmware,
    held_limits,
    metering,
    monitoring,
    provisioning,
    publishing,
    remote,
    reservation,
    security,
    smart_charging,
    tariffs,
    transactions,
)
from csms.ocpp.dialects import Dialect
from csms.ocpp.wire import v201

BLOCKS = (
    security.BLOCK,
    provisioning.BLOCK,
    authorization.BLOCK,
    authorization.LOCAL_LIST,
    transactions.BLOCK,
    remote.BLOCK,
    availability.BLOCK,
    reservation.BLOCK,
    tariffs.COST,
    metering.BLOCK,
    smart_charging.BLOCK,
    held_limits.BLOCK,
    firmware.BLOCK,
    publishing.BLOCK,
    security.CERTIFICATES,
    diagnostics.BLOCK,
    monitoring.BLOCK,
    customers.BLOCK,
    displays.BLOCK,
    data_transfer.BLOCK,
)
V201 = Dialect("ocpp2.0.1", "2.0.1", v201.REQUESTS, BLOCKS)
