"""Takes in what stations show, and what they say to what they are to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from csms.displays.queries import message_resource
from csms.displays.rules import MessageNow, cleared, missing, refused, reported, shown
from csms.inquiries.intake import awaited_part, load_inquiries, take_part
from csms.inquiries.rules import InquiryNow
from csms.ledger.batch import Batch, MessageNote
from csms.ledger.bulk import RowKind
from csms.stations.intake import BRIEFS
from models.answers import EMPTY, Answer
from models.facts.displays import DisplayAnswered, DisplaysReported
from models.tables.displays import DisplayMessage

MESSAGES = RowKind(
    DisplayMessage.__table__,
    MessageNow,
    key=("station", "message_id"),
    mutable=("wish", "wish_state", "why", "told", "told_at", "gone", "updated_at"),
)
MESSAGES_MAX = 200
"""No screen has room for more; what a station tells beyond it is in the message log alone."""


class DisplaysDecider:
    """A station tells what it shows."""

    def load(self, batch: Batch, facts: Sequence[DisplaysReported]) -> None:
        """Fetches who has asked, and all that the stations that were asked are known to show."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        load_inquiries(batch, ((fact.station, "displays", fact.request_id) for fact in facts))
        asked = [f for f in facts if awaited_part(batch, f.station, "displays", f.request_id)]
        rows = batch.rows(MESSAGES)
        rows.find(("station",), [fact.station for fact in asked])
        rows.load((fact.station, each.message_id) for fact in asked for each in fact.messages)

    def decide(self, batch: Batch, fact: DisplaysReported, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps what is there; what a whole report does not tell is gone.

        What nobody has asked for stays in the message log: its numbers have no end.
        """
        if not awaited_part(batch, fact.station, "displays", fact.request_id):
            return EMPTY
        rows = batch.rows(MESSAGES)
        for each in fact.messages:
            key = (fact.station, each.message_id)
            if rows.make_room(key, MESSAGES_MAX, _gone_since):
                _put(batch, reported(rows.get(key), fact.station, each, batch.now))
        inquiry = take_part(batch, fact.station, "displays", fact.request_id, last=fact.last)
        if inquiry is not None:
            forget_displays(batch, inquiry)
        return EMPTY


class DisplayAnswerDecider:
    """A station has said whether it shows a message, or shows it no more."""

    def load(self, batch: Batch, facts: Sequence[DisplayAnswered]) -> None:
        """Fetches the messages."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        batch.rows(MESSAGES).load((fact.station, fact.message_id) for fact in facts)

    def decide(self, batch: Batch, fact: DisplayAnswered, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Keeps its answer."""
        row = batch.rows(MESSAGES).get((fact.station, fact.message_id))
        if row is None:
            return EMPTY
        if fact.wish == "show":
            now = batch.now
            _put(batch, shown(row, now) if fact.accepted else refused(row, fact.detail, now))
        elif fact.accepted:
            _put(batch, cleared(row, batch.now))
        return EMPTY


def forget_displays(batch: Batch, inquiry: InquiryNow) -> None:
    """Remembers of what a whole report did not tell that it is not there."""
    for row in batch.rows(MESSAGES).group(inquiry.station):
        after = missing(row, inquiry.asked_at, batch.now)
        if after is not None:
            _put(batch, after)


def _gone_since(message: MessageNow) -> datetime | None:
    return message.updated_at if message.gone and message.wish is None else None


def _put(batch: Batch, message: MessageNow) -> None:
    batch.rows(MESSAGES).put(message)
    station = batch.rows(BRIEFS).get(message.station)
    assert station is not None  # `Accepted` lets no others through
    batch.emit(
        "display_message.changed",
        subject=f"station/{message.station}",
        resource=message_resource(message),
        site_id=station.site_id,
        tenant=station.tenant_id,
    )
