"""`/metrics` in the Prometheus text format (0.0.4), and the counts of the REST door itself.

Numbers with their own counters elsewhere are read when somebody asks; nothing here samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from csms.web.services import Services
from models.tables.ledger import Command, Event
from models.tables.stations import Station

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class RequestCounts:
    """How many requests were answered, by method and status."""

    answered: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])


class CountRequests:
    """ASGI middleware that counts what leaves."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on and counts its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "other"

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counts.answered[method, message["status"]] += 1
            await send(message)

        await self._app(scope, receive, counting)


_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})


async def exposition(services: Services, counts: RequestCounts, streams: int) -> str:
    """Returns all metrics as text."""
    async with services.db.read() as session:
        by_online = sa.select(Station.online, sa.func.count()).group_by(Station.online)
        stations = {bool(online): n for online, n in await session.execute(by_online)}
        by_state = sa.select(Command.state, sa.func.count()).group_by(Command.state)
        commands = {state: n for state, n in await session.execute(by_state)}  # noqa: C416 - rows, typed here
        newest = (await session.execute(sa.select(sa.func.max(Event.id)))).scalar() or 0
    requests = [
        ({"method": method, "status": str(status)}, count)
        for (method, status), count in sorted(counts.answered.items())
    ]
    leads = int(services.lead is None or services.lead.held)
    parts = [
        _metric("http_requests_total", "counter", "Requests answered.", requests),
        _metric("event_streams", "gauge", "Open event streams.", [({}, streams)]),
        _metric(
            "stations",
            "gauge",
            "Charging stations known.",
            [({"online": str(on).lower()}, stations.get(on, 0)) for on in (True, False)],
        ),
        _metric(
            "commands",
            "gauge",
            "Commands to stations by state.",
            [({"state": state}, n) for state, n in sorted(commands.items())],
        ),
        _metric("events_total", "counter", "Events in the outbox.", [({}, newest)]),
        _metric(
            "leads", "gauge", "1: plans, and does all else that goes on by itself.", [({}, leads)]
        ),
        _metric("work_under_way", "gauge", "Pieces of work.", [({}, services.activity.count)]),
    ]
    return "".join(parts)


def _metric(
    name: str, kind: str, meaning: str, samples: Sequence[tuple[Mapping[str, str], int]]
) -> str:
    lines = [f"# HELP heliofleet_{name} {meaning}", f"# TYPE heliofleet_{name} {kind}"]
    for labels, value in samples:
        pairs = ",".join(f'{key}="{text}"' for key, text in labels.items())
        lines.append(
            f"heliofleet_{name}{{{pairs}}} {value}" if pairs else f"heliofleet_{name} {value}"
        )
    return "\n".join(lines) + "\n"
