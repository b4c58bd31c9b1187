"""Typed tables, one module per feature. Importing this package fills `Base.metadata`."""

from models.tables import (
    access,
    billing,
    booking,
    charging,
    customers,
    diagnostics,
    displays,
    energy,
    fleet,
    held_limits,
    inquiries,
    ledger,
    planning,
    reservations,
    security,
    stations,
    updates,
)
from models.tables.base import Base

__all__ = [
    "Base",
    "access",
    "billing",
    "booking",
    "charging",
    "customers",
    "diagnostics",
    "displays",
    "energy",
    "fleet",
    "held_limits",
    "inquiries",
    "ledger",
    "planning",
    "reservations",
    "security",
    "stations",
    "updates",
]
