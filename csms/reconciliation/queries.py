"""What did not add up, as it is shown."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime

from csms.reconciliation.rules import Choice, choices, done
from csms.web.documents import Shown
from csms.web.identity import MASK
from models.tables.charging import Reconciliation


class ReconciliationShown(Shown):
    """Something that did not add up."""

    id: str
    station: str
    kind: str
    detail: str
    """What happened."""
    done: str
    """What was done about it."""
    choices: list[Choice]
    """What a person may do now; empty once it is resolved."""
    transaction_id: str | None
    raw: str | None
    """What the station said, where no transaction took it in."""
    created_at: AwareDatetime
    resolved_at: AwareDatetime | None
    resolved_by: str | None
    choice: Choice | None
    note: str | None
    former: dict[str, Any] | None
    """What the transaction had before it was put right."""


def reconciliation_resource(row: Reconciliation, *, people: bool = True) -> dict[str, Any]:
    """Returns something that did not add up.

    Args:
        row: what it is.
        people: whether tokens may be seen, which stand in what the station said.
    """
    return {
        "id": str(row.id),
        "station": row.station,
        "kind": row.kind,
        "detail": row.detail,
        "done": done(row.kind),
        "choices": choices(row.kind, row.raw, resolved=row.resolved_at is not None),
        "transaction_id": row.transaction_id,
        "raw": row.raw if people or row.raw is None else MASK,
        "created_at": row.created_at,
        "resolved_at": row.resolved_at,
        "resolved_by": row.resolved_by,
        "choice": row.choice,
        "note": row.note,
        "former": row.former,
    }
