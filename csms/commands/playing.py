"""What `demo`, `simulate` and `replay` share: pacing a service, and asking it about a run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from csms.commands.report.figures import ServiceView
from models.clocks import Clock
from models.errors import Unavailable
from models.timeline import format_rfc3339, parse_rfc3339
from scheduler.explaining.words import Language

API = "/api/v1"
PAGE = 500
_MIDDLE_OF_THE_DAY = timedelta(hours=12)
"""So long before its end a run's last day is at its noon, and there is much to explain."""


class SteppingPacer:
    """Moves the stepped clock of a service over REST."""

    def __init__(self, api: httpx.AsyncClient, start: datetime) -> None:
        self._api = api
        self._now = start

    def now(self) -> datetime:
        """Returns where the service's clock stands."""
        return self._now

    async def until(self, when: datetime) -> None:
        """Returns when the service stands at `when` and has nothing under way.

        Raises:
            Unavailable: if the service does not do it.
        """
        answer = await self._api.post(f"{API}/clock", json={"advance_to": format_rfc3339(when)})
        if answer.status_code != 200:
            raise Unavailable(f"the service's clock did not move: {answer.text[:300]}")
        self._now = parse_rfc3339(msgspec.json.decode(answer.content)["now"])


class WaitingPacer:
    """Waits on a clock of this process: a virtual one (`replay`) or the real one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """Returns the present instant of the clock."""
        return self._clock.now()

    async def until(self, when: datetime) -> None:
        """Returns when the clock has reached `when`, and everybody had a turn."""
        await self._clock.sleep_until(when)
        await asyncio.sleep(0)


async def everything(api: httpx.AsyncClient, path: str, **query: str) -> list[dict[str, Any]]:
    """Returns all items of a list, page by page.

    Raises:
        Unavailable: if the service refuses.
    """
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        wanted = {"limit": str(PAGE), **query, **({} if cursor is None else {"cursor": cursor})}
        answer = await api.get(f"{API}{path}", params=wanted)
        if answer.status_code != 200:
            raise Unavailable(f"GET {path}: {answer.status_code} {answer.text[:300]}")
        page = msgspec.json.decode(answer.content)
        items.extend(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return items


async def view_of(api: httpx.AsyncClient, ends_at: datetime, language: Language) -> ServiceView:
    """Returns what only the service knows of a run that ends at `ends_at`, told in `language`."""
    forecasts = await everything(api, "/forecasts/pv")
    hourly = [each for each in forecasts if parse_rfc3339(each["start"]).minute == 0]
    sites = [site["id"] for site in await everything(api, "/sites")]
    return ServiceView(
        forecasts=hourly,
        limits=await everything(api, "/limits"),
        measured={site: await everything(api, f"/sites/{site}/measurements") for site in sites},
        why=await _why(api, ends_at - _MIDDLE_OF_THE_DAY, language),
    )


async def _why(api: httpx.AsyncClient, at: datetime, language: Language) -> dict[str, Any] | None:
    """Returns why the first plan from an instant on was so; None where there is no such plan."""
    first = {"from": format_rfc3339(at), "limit": "1", "sort": "created_at"}
    plans = await api.get(f"{API}/plans", params=first)
    found: dict[str, Any] = msgspec.json.decode(plans.content) if plans.is_success else {}
    if not found.get("items"):
        return None
    path = f"{API}/plans/{found['items'][0]['id']}/explanation"
    answer = await api.get(path, params={"language": language})
    return msgspec.json.decode(answer.content) if answer.is_success else None


@contextmanager
def progress_bar(what: str, minutes: int) -> Generator[Callable[[float], None]]:
    """Shows how far a run has come, on a terminal; gives what is to be told the share done."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% of {task.fields[days]} days"),
        TimeRemainingColumn(),
        disable=not sys.stderr.isatty(),
        transient=True,
        redirect_stdout=False,
    ) as bar:
        task = bar.add_task(what, total=1.0, days=minutes // 1440)

        def show(share: float) -> None:
            bar.update(task, completed=share)

        yield show
