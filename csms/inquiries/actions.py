"""Asking a station for a report: the question is a row before it is a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from csms.ledger.work import UnitOfWork
from csms.stations.actions import COMMAND_TIMEOUT_S
from models.commands import AnyCommand
from models.facts.inquiries import InquirySubject
from models.tables.inquiries import Inquiry
from models.tables.stations import Station

BEFORE_THE_FIRST = 1_000
"""Smaller numbers belong to reports that nobody asked for over REST."""


async def open_inquiry(
    work: UnitOfWork,
    station: Station,
    subject: InquirySubject,
    command_of: Callable[[int], AnyCommand],
    *,
    asked: dict[str, Any],
    whole: bool,
) -> Inquiry:
    """Orders a report; arguments as of `csms.inquiries.api.inquire`."""
    identity = station.identity
    await work.take_turn(f"inquiries of {identity}")
    last = await work.session.scalar(
        sa.select(sa.func.max(Inquiry.request_id)).where(
            Inquiry.station == identity, Inquiry.subject == subject
        )
    )
    request_id = (last or BEFORE_THE_FIRST) + 1
    row = Inquiry(
        id=work.ids.new(),
        tenant_id=work.tenant,
        station=identity,
        subject=subject,
        request_id=request_id,
        asked=asked,
        whole=whole,
        command_id=work.order(
            command_of(request_id), station=identity, origin="api", expires_in_s=COMMAND_TIMEOUT_S
        ),
        state="asked",
        parts=0,
        asked_at=work.now,
        heard_at=work.now,
    )
    work.session.add(row)
    await work.session.flush()
    return row
