"""Which stations of a campaign begin when, and how it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from csms.updates.rules.campaigns import (
    ABORTED,
    CHARGING,
    ENDED,
    OFFLINE,
    Campaign,
    Judged,
    Member,
    Result,
    View,
    Window,
    failures_allowed,
    is_open,
    judge,
    next_opening,
    number_of,
)
from models.states import CAMPAIGN_STATION, allowed

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
READY = View()


def a_campaign(**changes: Any) -> Campaign:
    values: dict[str, Any] = {
        "state": "running",
        "why": None,
        "wave": 0,
        "wave_size": 2,
        "wave_pause_s": 600,
        "next_wave_at": NOON,
        "window": None,
        "max_failures": None,
        "while_charging": False,
        "ends_at": NOON + timedelta(days=1),
        "ended_at": None,
    }
    return Campaign(**values | changes)


def members(number: int = 5) -> list[Member]:
    return [Member(station=f"S{place}", state="waiting") for place in range(number)]


def states(judged: Judged) -> list[str]:
    return [each.state for each in judged.members]


def look(before: Judged | Campaign, now: datetime, views: dict[str, View] | None = None) -> Judged:
    """Judges again; stations of which nothing is said are ready, or have done it."""
    campaign = before if isinstance(before, Campaign) else before.campaign
    them = members() if isinstance(before, Campaign) else list(before.members)
    done = View(result=Result(state="done"))
    usual = {each.station: done if each.state == "running" else READY for each in them}
    return judge(campaign, them, usual | (views or {}), now)


def test_waves_follow_each_other_after_a_pause() -> None:
    first = look(a_campaign(), NOON)
    assert first.starts == ("S0", "S1")
    assert first.campaign.wave == 1
    still = View(result=Result(state="running"))
    same = look(first, NOON + MINUTE, {"S0": still})
    assert (states(same)[:3], same.starts) == (["running", "done", "waiting"], ())
    over = look(same, NOON + 2 * MINUTE)
    assert over.starts == ()
    assert over.wake_at == over.campaign.next_wave_at == NOON + 12 * MINUTE
    second = look(over, NOON + 12 * MINUTE)
    assert second.starts == ("S2", "S3")
    assert [each.wave for each in second.members] == [1, 1, 2, 2, None]


def test_those_that_can_not_begin_let_others_go_first_and_may_join_later() -> None:
    offline, charging = View(online=False), View(charging=True)
    busy = View(busy=True)
    first = look(a_campaign(wave_size=3), NOON, {"S0": offline, "S1": charging, "S2": busy})
    assert first.starts == ("S3", "S4")
    assert [each.why for each in first.members[:2]] == [OFFLINE, CHARGING]
    still = View(result=Result(state="running"))
    joined = look(first, NOON + MINUTE, {"S3": still, "S4": still, "S1": charging})
    assert joined.starts == ("S0",)
    assert joined.members[0].wave == 1


def test_while_charging_is_a_choice() -> None:
    charging = {f"S{place}": View(charging=True) for place in range(5)}
    assert look(a_campaign(), NOON, charging).starts == ()
    assert look(a_campaign(while_charging=True), NOON, charging).starts == ("S0", "S1")


def test_what_needs_nothing_is_skipped_at_its_turn() -> None:
    judged = look(a_campaign(), NOON, {"S0": View(needless="it has 2 already")})
    assert states(judged)[:3] == ["skipped", "running", "running"]
    assert judged.members[0].why == "it has 2 already"


def test_one_failure_too_many_breaks_it_off_and_what_runs_goes_on() -> None:
    first = look(a_campaign(max_failures=0), NOON)
    failed = View(result=Result(state="failed", why="no"))
    still = View(result=Result(state="running"))
    broken = look(first, NOON + MINUTE, {"S0": failed, "S1": still})
    assert (broken.campaign.state, broken.campaign.ended_at) == ("aborted", None)
    assert broken.campaign.why == "1 have failed; allowed are 0"
    assert states(broken) == ["failed", "running", "missed", "missed", "missed"]
    assert broken.members[2].why == ABORTED
    over = look(broken, NOON + 2 * MINUTE)
    assert (over.campaign.state, over.campaign.ended_at) == ("aborted", NOON + 2 * MINUTE)
    assert look(over, NOON + 3 * MINUTE) == msgspec.structs.replace(over, starts=())


def test_a_paused_campaign_begins_nothing_and_ends_all_the_same() -> None:
    paused = look(a_campaign(state="paused"), NOON)
    assert (paused.starts, paused.wake_at) == ((), NOON + timedelta(days=1))
    over = look(paused, NOON + timedelta(days=1))
    assert (over.campaign.state, set(states(over))) == ("finished", {"missed"})


def test_who_never_came_is_missed_at_the_end() -> None:
    offline = {f"S{place}": View(online=False) for place in range(5)}
    first = look(a_campaign(), NOON, offline)
    over = look(first, NOON + timedelta(days=1), offline)
    assert over.members[0].why == f"{ENDED}: {OFFLINE}"
    assert over.campaign.ended_at is not None


def test_one_that_was_never_asked_waits_again() -> None:
    first = look(a_campaign(wave_pause_s=0), NOON)
    unsent = View(online=False, result=Result(state="unsent", why="it went"))
    gone = look(first, NOON + MINUTE, {"S0": unsent, "S1": View(result=Result(state="running"))})
    assert gone.members[0].state == "waiting"
    assert gone.starts == ("S2",)


def test_one_that_was_never_asked_is_missed_where_the_campaign_was_broken_off_meanwhile() -> None:
    begun = look(a_campaign(), NOON)
    broken = msgspec.structs.replace(begun.campaign, state="aborted")
    unsent = View(online=False, result=Result(state="unsent", why="it went"))
    after = judge(broken, begun.members, {"S0": unsent, "S1": unsent}, NOON + MINUTE)
    assert {member.state for member in after.members[:2]} == {"missed"}
    assert all(
        allowed(CAMPAIGN_STATION, old.state, new.state)
        for old, new in zip(begun.members, after.members, strict=True)
    )


def test_a_window_holds_beginnings_back() -> None:
    window = Window(begins="22:00", until="06:00", timezone="Europe/Paris")
    held = look(a_campaign(window=window), NOON)
    assert held.starts == ()
    assert held.wake_at == datetime(2026, 6, 15, 20, 0, tzinfo=UTC)
    assert look(held, datetime(2026, 6, 15, 20, 0, tzinfo=UTC)).starts == ("S0", "S1")


@pytest.mark.parametrize(
    ("begins", "until", "hour", "open_now", "opens"),
    [
        ("08:00", "10:00", 8, True, None),
        ("08:00", "10:00", 10, False, "2026-06-16T08:00"),
        ("22:00", "06:00", 5, True, None),
        ("22:00", "06:00", 6, False, "2026-06-15T22:00"),
        ("22:00", "06:00", 23, True, None),
    ],
)
def test_a_window_opens_and_closes_at_its_times_of_the_day_over_midnight_too(
    begins: str, until: str, hour: int, open_now: bool, opens: str | None
) -> None:
    window = Window(begins=begins, until=until, timezone="UTC")
    now = datetime(2026, 6, 15, hour, 0, tzinfo=UTC)
    assert is_open(window, now) is open_now
    if opens is not None:
        assert next_opening(window, now) == datetime.fromisoformat(opens).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "now", "opens"),
    [
        ("05:00", "2026-10-25T00:10", "2026-10-25T00:30"),  # 02:10, for the first time
        ("05:00", "2026-10-25T01:10", "2026-10-25T01:30"),  # 02:10, for the second time
        ("05:00", "2026-10-25T04:10", "2026-10-26T01:30"),
        ("05:00", "2026-03-29T00:10", "2026-03-29T01:30"),  # 03:30: there is no 02:30 then
        ("03:00", "2026-03-28T12:00", "2026-03-30T00:30"),
    ],
)
def test_a_window_opens_ahead_of_us_also_when_clocks_are_set(
    until: str, now: str, opens: str
) -> None:
    window = Window(begins="02:30", until=until, timezone="Europe/Vienna")
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert next_opening(window, at) == datetime.fromisoformat(opens).replace(tzinfo=UTC)


def test_a_share_of_stations_is_a_number_of_them_and_at_least_one() -> None:
    assert number_of(7, None, 50) == 7
    assert number_of(None, 0.1, 50) == 5
    assert number_of(None, 0.01, 50) == 1
    assert number_of(None, 0.07, 100) == 7
    assert failures_allowed(3, None, 50) == 3
    assert failures_allowed(None, 0.1, 55) == 5
    assert failures_allowed(None, None, 50) is None


def test_a_station_that_was_deleted_holds_nothing_up() -> None:
    gone = View(exists=False)
    first = look(a_campaign(), NOON, {"S0": gone})
    assert states(first)[:3] == ["skipped", "running", "running"]
    over = look(first, NOON + MINUTE, {"S1": gone})
    assert over.members[1].state == "failed"
