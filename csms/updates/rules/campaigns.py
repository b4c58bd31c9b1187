"""A campaign: which stations begin when, and how it ends.

A wave is a number of stations that may be under way at once. It is over when none of its stations
is; the next begins after a pause. A station that can't begin yet (it is offline, charges, or has
another update) lets others go first; while a wave has room it may still join it.

`judge` is called with all that is known whenever something may have changed. It remembers nothing,
so that a restart in the middle changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from models.states import CampaignState, CampaignStationState

OFFLINE = "offline"
CHARGING = "charging now"
BUSY = "another update is under way"
GONE = "there is no such station any more"
ABORTED = "the campaign was broken off before its turn"
ENDED = "the campaign ended before its turn"
_OPEN = frozenset({"running", "paused"})


class Window(msgspec.Struct, frozen=True, kw_only=True, rename={"begins": "from"}):
    """A time of the day; over midnight where it begins later than it ends."""

    begins: str
    until: str
    timezone: str


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a campaign; see `models.tables.updates.Campaign`."""

    state: CampaignState
    why: str | None
    wave: int
    wave_size: int
    wave_pause_s: int
    next_wave_at: datetime
    window: Window | None
    max_failures: int | None
    while_charging: bool
    ends_at: datetime
    ended_at: datetime | None


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A station of a campaign; see `models.tables.updates.CampaignStation`."""

    station: str
    state: CampaignStationState
    why: str | None = None
    wave: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How far a station is that has begun."""

    state: Literal["running", "done", "failed", "unsent"]
    why: str | None = None


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A station as it is now."""

    exists: bool = True
    online: bool = True
    charging: bool = False
    busy: bool = False
    """Whether it has an update or change of another origin under way."""
    needless: str | None = None
    """Why there is nothing to do, or nothing that could be done."""
    result: Result | None = None
    """Of its turn in this campaign, where it has begun."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What follows."""

    campaign: Campaign
    members: tuple[Member, ...]
    starts: tuple[str, ...]
    """Stations whose turn has come: they are `running` among the members."""
    wake_at: datetime | None
    """When to look again, if nothing happens before."""


def judge(
    campaign: Campaign, members: Sequence[Member], views: Mapping[str, View], now: datetime
) -> Judged:
    """Returns what follows from how things are.

    Args:
        campaign: as it is known.
        members: its stations, in the order of their turns.
        views: of each station that waits or is under way.
        now: by our clock.
    """
    if campaign.ended_at is not None:
        return Judged(campaign=campaign, members=tuple(members), starts=(), wake_at=None)
    after = [_settled(each, views.get(each.station, View()), now) for each in members]
    settled = any(
        old.state == "running" != new.state for old, new in zip(members, after, strict=True)
    )
    if settled and not _running(after):
        pause_end = now + timedelta(seconds=campaign.wave_pause_s)
        campaign = _replace(campaign, next_wave_at=max(campaign.next_wave_at, pause_end))
    campaign = _broken_off(campaign, after)
    after = _missed(campaign, after, now)
    starts: tuple[str, ...] = ()
    if campaign.state == "running":
        campaign, after, starts = _begun(campaign, after, views, now)
    campaign = _ended(campaign, after, now)
    wake_at = _wake_at(campaign, after, now)
    return Judged(campaign=campaign, members=tuple(after), starts=starts, wake_at=wake_at)


def verdict(
    view: View, *, while_charging: bool
) -> tuple[Literal["ready", "waits", "left-out"], str | None]:
    """Returns whether a station could begin now, and why not."""
    if not view.exists:
        return "left-out", GONE
    if view.needless is not None:
        return "left-out", view.needless
    if not view.online:
        return "waits", OFFLINE
    if view.charging and not while_charging:
        return "waits", CHARGING
    if view.busy:
        return "waits", BUSY
    return "ready", None


def number_of(count: int | None, share: float | None, total: int) -> int:
    """Returns how many stations a count or a share of all is; a share is rounded up, from 1 on."""
    if count is not None:
        return count
    return max(1, math.ceil((share or 0.0) * total - 1e-9))


def failures_allowed(count: int | None, share: float | None, total: int) -> int | None:
    """Returns how many may fail before a campaign is broken off; None: all."""
    if count is None and share is not None:
        return math.floor(share * total + 1e-9)
    return count


def is_open(window: Window | None, at: datetime) -> bool:
    """Returns whether stations may begin at an instant."""
    if window is None:
        return True
    begins, until = time.fromisoformat(window.begins), time.fromisoformat(window.until)
    local = at.astimezone(ZoneInfo(window.timezone)).time()
    if begins < until:
        return begins <= local < until
    return local >= begins or local < until


def next_opening(window: Window, at: datetime) -> datetime:
    """Returns when a window that is closed opens next.

    Where clocks are set, a time of the day comes twice, and may lie ahead the second time only, or
    does not come at all.
    """
    local = at.astimezone(ZoneInfo(window.timezone))
    begins = time.fromisoformat(window.begins)
    days = (local.date() + timedelta(days=ahead) for ahead in (0, 1, 2))
    openings = (
        datetime.combine(day, begins.replace(fold=fold), local.tzinfo).astimezone(at.tzinfo)
        for day in days
        for fold in (0, 1)
    )
    return min(opening for opening in openings if opening > at and is_open(window, opening))


def _settled(member: Member, view: View, now: datetime) -> Member:
    if member.state != "running":
        return member
    result = view.result or Result(state="failed", why=GONE)
    if result.state == "running":
        return _changed(member, why=result.why)
    if result.state == "unsent":
        return _changed(member, state="waiting", why=result.why, wave=None, started_at=None)
    return _changed(member, state=result.state, why=result.why, ended_at=now)


def _broken_off(campaign: Campaign, members: Sequence[Member]) -> Campaign:
    failed = sum(each.state == "failed" for each in members)
    allowed = campaign.max_failures
    if campaign.state not in _OPEN or allowed is None or failed <= allowed:
        return campaign
    return _replace(campaign, state="aborted", why=f"{failed} have failed; allowed are {allowed}")


def _missed(campaign: Campaign, members: Sequence[Member], now: datetime) -> list[Member]:
    """Lets those go that will have no turn any more."""
    if campaign.state in _OPEN and now < campaign.ends_at:
        return list(members)
    why = ENDED if campaign.state in _OPEN else ABORTED
    return [
        _changed(each, state="missed", why=f"{why}: {each.why}" if each.why else why, ended_at=now)
        if each.state == "waiting"
        else each
        for each in members
    ]


def _begun(
    campaign: Campaign, members: list[Member], views: Mapping[str, View], now: datetime
) -> tuple[Campaign, list[Member], tuple[str, ...]]:
    """Begins with those whose turn it is, as far as the wave has room."""
    going_on = _running(members) > 0
    if not going_on and now < campaign.next_wave_at:
        return campaign, members, ()
    may_begin = is_open(campaign.window, now)
    wave = campaign.wave if going_on else campaign.wave + 1
    room = campaign.wave_size - sum(each.wave == wave for each in members)
    starts: list[str] = []
    after: list[Member] = []
    for each in members:
        member = each
        if each.state == "waiting":
            view = views.get(each.station, View())
            ready, why = verdict(view, while_charging=campaign.while_charging)
            if ready == "left-out":
                member = _changed(each, state="skipped", why=why, ended_at=now)
            elif ready == "waits":
                member = _changed(each, why=why)
            elif may_begin and len(starts) < room:
                member = _changed(each, state="running", why=None, wave=wave, started_at=now)
                starts.append(each.station)
        after.append(member)
    if starts:
        campaign = _replace(campaign, wave=wave)
    return campaign, after, tuple(starts)


def _ended(campaign: Campaign, members: Sequence[Member], now: datetime) -> Campaign:
    if any(each.state in {"waiting", "running"} for each in members):
        return campaign
    if campaign.state in _OPEN:
        return _replace(campaign, state="finished", ended_at=now)
    return _replace(campaign, ended_at=now)


def _wake_at(campaign: Campaign, members: Sequence[Member], now: datetime) -> datetime | None:
    if not any(each.state == "waiting" for each in members):
        return None
    moments = [campaign.ends_at]
    if campaign.state == "running":
        if campaign.next_wave_at > now:
            moments.append(campaign.next_wave_at)
        elif campaign.window is not None and not is_open(campaign.window, now):
            moments.append(next_opening(campaign.window, now))
    return min(moments)


def _running(members: Sequence[Member]) -> int:
    return sum(each.state == "running" for each in members)


def _changed(member: Member, **changes: object) -> Member:
    return msgspec.structs.replace(member, **changes)


def _replace(campaign: Campaign, **changes: object) -> Campaign:
    return msgspec.structs.replace(campaign, **changes)
