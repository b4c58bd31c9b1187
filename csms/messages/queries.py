"""Finding messages: a log of millions of rows, looked through a stretch at a time.

A search goes from row to row by number, newest or oldest first. It looks at stretches that grow,
and stops after a while even where little is found: then the page is short, and its cursor goes on
from there. So no search holds the database for long, however rare what it looks for is. The
messages of a few stations are found by an index whose entries of one time lie together, because
one by station alone costs as much to keep as all the rest of storing a message.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from pydantic import AwareDatetime

from csms.ledger.work import ReadSession
from csms.messages.rules import MASK, without_tokens
from csms.web.documents import Shown
from models.tables.ledger import MESSAGE_BLOCK, FormerStation, Message
from models.tables.stations import Station

_FEW_STATIONS = 50
"""Up to so many are looked up in the index."""
_LOOKS = 16
_MOST_BY_INDEX = 64
_MOST_BY_READING = 4
"""In blocks of `MESSAGE_BLOCK` rows, how far one look goes by the index, and reading each row."""
_CLOCK_BACK = timedelta(hours=6)
"""So far may our own clock have been set back while messages came."""
_BLOCK: sa.ColumnElement[int] = sa.literal_column(f"message.id / {MESSAGE_BLOCK}", sa.BigInteger())
"""As the index has it: a number that is bound would hide the index from the database."""

_HOUSE = "default"
"""Whose the messages are of strangers who were never let in."""
_FORMER = sa.select(FormerStation.tenant_id).where(FormerStation.identity == Message.station)
_OWNER: sa.ColumnElement[str] = sa.func.coalesce(
    _FORMER.where(FormerStation.last_message >= Message.id)
    .order_by(FormerStation.last_message)
    .limit(1)
    .correlate(Message)
    .scalar_subquery(),
    sa.select(Station.tenant_id)
    .where(Station.identity == Message.station)
    .correlate(Message)
    .scalar_subquery(),
    # What was still on its way when the station was deleted.
    _FORMER.order_by(FormerStation.last_message.desc())
    .limit(1)
    .correlate(Message)
    .scalar_subquery(),
    _HOUSE,
)
"""Whose a message is: of who had the station when it was said, though it is deleted since."""


class MessageShown(Shown):
    """One exchange with a station."""

    id: str
    station: str
    direction: Literal["in", "out"]
    action: str
    message_id: str
    received_at: AwareDatetime
    payload: Any
    """JSON; text where the frame was malformed."""
    outcome: str
    answer: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages are looked for; None: all."""

    tenant: str
    stations: tuple[str, ...] | None = None
    direction: str | None = None
    actions: tuple[str, ...] = ()
    outcome: str | None = None
    text: str | None = None
    """Found anywhere in the payload or the answer, in either case."""
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Returns what a row must fulfil."""
        found: list[sa.ColumnElement[bool]] = [_OWNER.in_((self.tenant,))]
        if self.stations is not None:
            found.append(Message.station.in_(self.stations))
        if self.direction is not None:
            found.append(Message.direction == self.direction)
        if self.actions:
            found.append(Message.action.in_(self.actions))
        if self.outcome is not None:
            found.append(Message.outcome == self.outcome)
        if self.since is not None:
            found.append(Message.received_at >= self.since)
        if self.until is not None:
            found.append(Message.received_at < self.until)
        if self.text is not None:
            said = (Message.payload, Message.answer)
            found.append(sa.or_(*(part.icontains(self.text, autoescape=True) for part in said)))
        return found


def message_resource(row: Message, *, people: bool) -> dict[str, Any]:
    """Returns one exchange of the message log.

    Args:
        row: the exchange.
        people: whether tokens may be seen; if not, neither may frames that can't be read.
    """
    return {
        "id": str(row.id),
        "station": row.station,
        "direction": row.direction,
        "action": row.action,
        "message_id": row.message_id,
        "received_at": row.received_at,
        "payload": _said(row.payload, people=people),
        "outcome": row.outcome,
        "answer": None if row.answer is None else _said(row.answer, people=people),
    }


def _said(stored: str, *, people: bool) -> Any:
    """Returns what was said as JSON, or as text where a malformed frame was kept as it came."""
    try:
        document: Any = msgspec.json.decode(stored)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return stored if people else MASK
    return msgspec.Raw(stored.encode()) if people else without_tokens(document)


async def newest_message(session: ReadSession) -> int:
    """Returns the number of the newest message; 0 if there is none."""
    return await session.scalar(sa.select(sa.func.max(Message.id))) or 0


async def former_stations_over(session: ReadSession) -> list[tuple[str, int]]:
    """Returns the keys of former stations of which no message is left that needs them.

    Where nobody has taken the name since, messages that came after the end are theirs too.
    """
    oldest = await session.scalar(sa.select(sa.func.min(Message.id)))
    if oldest is None:
        return []
    ended = FormerStation.last_message < oldest
    found = await session.execute(
        sa.select(FormerStation.identity, FormerStation.last_message).where(ended)
    )
    keys = [(identity, last) for identity, last in found]
    former = sa.select(FormerStation.identity).where(ended)
    taken = set(
        await session.scalars(sa.select(Station.identity).where(Station.identity.in_(former)))
    )
    silent = {identity for identity, _ in keys} - taken
    blocks = range(oldest // MESSAGE_BLOCK, await newest_message(session) // MESSAGE_BLOCK + 1)
    for first in range(0, len(blocks), _MOST_BY_INDEX):
        if not silent:
            break
        said = sa.select(Message.station).where(
            _BLOCK.in_(blocks[first : first + _MOST_BY_INDEX]), Message.station.in_(silent)
        )
        silent -= set(await session.scalars(said.distinct()))
    return [key for key in keys if key[0] in taken | silent]


async def stations_of(session: ReadSession, site: str, tenant: str) -> tuple[str, ...]:
    """Returns the stations of a site, by identity."""
    query = sa.select(Station.identity).where(Station.site_id == site, Station.tenant_id == tenant)
    return tuple(await session.scalars(query.order_by(Station.identity)))


async def find(
    session: ReadSession,
    wanted: Wanted,
    *,
    limit: int,
    beyond: int | None = None,
    newest_first: bool = True,
) -> tuple[list[Message], int | None]:
    """Returns up to `limit` messages, and the number beyond which to go on; None at the end.

    Args:
        session: to read with.
        wanted: which messages.
        limit: at least 1.
        beyond: the number that the last search has returned; None: from the beginning.
        newest_first: or oldest first.
    """
    if beyond is not None and not newest_first:
        # What was found before is long past `since`: only the end is to be looked for.
        low, high = await _numbers(session, replace(wanted, since=None))
        low = max(low, beyond + 1)
    else:
        low, high = await _numbers(session, wanted)
        high = high if beyond is None else min(high, beyond)
    conditions, indexed = wanted.conditions(), _is_indexed(wanted)
    most = _MOST_BY_INDEX if indexed else _MOST_BY_READING
    order = Message.id.desc() if newest_first else Message.id.asc()
    found: list[Message] = []
    blocks = 1
    for _ in range(_LOOKS):
        if low >= high:
            return found, None
        first, last = _stretch(low, high, blocks, newest_first=newest_first)
        query = sa.select(Message).where(Message.id >= first, Message.id < last, *conditions)
        if indexed:
            query = query.where(_BLOCK.in_(range(first // MESSAGE_BLOCK, _block_after(last))))
        found += await session.scalars(query.order_by(order).limit(limit + 1 - len(found)))
        if len(found) > limit:
            return found[:limit], found[limit - 1].id
        low, high = (low, first) if newest_first else (last, high)
        blocks = min(2 * blocks, most)
    if low >= high:
        return found, None
    return found, high if newest_first else low - 1


def _is_indexed(wanted: Wanted) -> bool:
    return wanted.stations is not None and len(wanted.stations) <= _FEW_STATIONS


def _block_after(number: int) -> int:
    """Returns the first block that holds nothing before `number`."""
    return -(-number // MESSAGE_BLOCK)


def _stretch(low: int, high: int, blocks: int, *, newest_first: bool) -> tuple[int, int]:
    """Returns the next numbers to look at, to the edge of a block."""
    if newest_first:
        return max(low, (_block_after(high) - blocks) * MESSAGE_BLOCK), high
    return low, min(high, (low // MESSAGE_BLOCK + blocks) * MESSAGE_BLOCK)


async def _numbers(session: ReadSession, wanted: Wanted) -> tuple[int, int]:
    """Returns the first number, and the one after the last, of messages of the wanted time.

    Numbers follow time, but where the clock was set back: a message with a smaller number than the
    first one after an instant is at most so much later as the clock was set back in all.
    """
    time, number = Message.received_at, Message.id
    after = [] if wanted.since is None else [time >= wanted.since]
    before = [] if wanted.until is None else [time < wanted.until]
    if after:
        earliest = await session.scalar(sa.select(sa.func.min(time)).where(*after))
        if earliest is None:
            return 0, 0
        after.append(time <= earliest + _CLOCK_BACK)
    if before:
        latest = await session.scalar(sa.select(sa.func.max(time)).where(*before))
        if latest is None:
            return 0, 0
        before.append(time >= latest - _CLOCK_BACK)
    low = await session.scalar(sa.select(sa.func.min(number)).where(*after))
    high = await session.scalar(sa.select(sa.func.max(number)).where(*before))
    return low or 0, (high or 0) + 1
