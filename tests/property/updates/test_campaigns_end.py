"""Campaigns under any order of words, Boots, absences, pauses and time: they hold and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from csms.updates.rules.campaigns import Campaign, Judged, Member, Result, View, Window, judge
from csms.updates.rules.firmware import (
    SILENCE,
    CommandTold,
    UpdateState,
    addressed,
    answered,
    booted,
    silent,
    told,
)
from models.facts import FirmwareStatus
from models.states import CAMPAIGN, CAMPAIGN_STATION, FIRMWARE_UPDATE, CampaignState, allowed

START = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
NAMES = tuple(f"S{number}" for number in range(6))
WORDS = cast("tuple[str, ...]", get_args(FirmwareStatus))
FATES = (
    CommandTold(state="answered", outcome="accepted", error_code=None, detail=None),
    CommandTold(state="answered", outcome="rejected", error_code=None, detail=None),
    CommandTold(state="failed", outcome=None, error_code="Expired", detail=None),
    CommandTold(state="failed", outcome=None, error_code="NotSupported", detail=None),
    CommandTold(state="unknown", outcome=None, error_code="NoAnswer", detail=None),
)
WINDOWS = (None, Window(begins="22:00", until="06:00", timezone="Europe/Paris"))

names = st.sampled_from(NAMES)
happenings = st.one_of(
    st.tuples(st.just("word"), names, st.sampled_from(WORDS), st.booleans()),
    st.tuples(st.just("fate"), names, st.sampled_from(FATES)),
    st.tuples(st.just("boot"), names, st.sampled_from(["1.0", "2.0"])),
    st.tuples(st.sampled_from(["offline", "online", "plug", "unplug"]), names),
    st.tuples(st.just("operator"), st.sampled_from(["paused", "running", "aborted"])),
    st.tuples(st.just("wait"), st.integers(1, 600)),
)


class World:
    """A campaign and its stations, by the rules alone."""

    def __init__(self, campaign: Campaign) -> None:
        self.now = START
        self.campaign = campaign
        self.members = [Member(station=name, state="waiting") for name in NAMES]
        self.updates: dict[str, list[UpdateState]] = {name: [] for name in NAMES}
        """The newest first."""
        self.online = set(NAMES)
        self.charging: set[str] = set()
        self.version = dict.fromkeys(NAMES, "1.0")
        self.look()

    def happen(self, happening: tuple[Any, ...]) -> None:
        match happening:
            case ("word", name, word, numbered):
                mine = self.updates[name]
                number = mine[0].request_id if numbered and mine else None
                update = addressed(mine, word, number)
                if update is not None:
                    self.change(name, update, told(update, word, self.version[name], self.now))
            case ("fate", name, fate):
                for update in self.updates[name][:1]:
                    self.change(name, update, answered(update, fate, self.now))
            case ("boot", name, version):
                self.version[name] = version
                for update in self.updates[name][:1]:
                    self.change(name, update, booted(update, version, self.now))
            case ("offline", name):
                self.online.discard(name)
            case ("online", name):
                self.online.add(name)
            case ("plug", name):
                self.charging.add(name)
            case ("unplug", name):
                self.charging.discard(name)
            case ("operator", state):
                self.operate(state)
            case ("wait", minutes):
                self.wait(timedelta(minutes=minutes))
            case _:
                raise AssertionError(happening)
        self.look()

    def change(self, name: str, before: UpdateState, after: UpdateState) -> None:
        assert allowed(FIRMWARE_UPDATE, before.state, after.state)
        assert (after.ended_at is None) == after.is_open
        if not before.is_open:
            assert (after.state, after.ended_at) == (before.state, before.ended_at)
        mine = self.updates[name]
        mine[mine.index(before)] = after

    def operate(self, state: CampaignState) -> None:
        if self.campaign.ended_at is None and allowed(CAMPAIGN, self.campaign.state, state):
            self.campaign = msgspec.structs.replace(self.campaign, state=state)

    def wait(self, length: timedelta) -> None:
        self.now += length
        for name, mine in self.updates.items():
            for update in mine[:1]:
                self.change(name, update, silent(update, self.now))

    def view(self, member: Member) -> View:
        mine = self.updates[member.station]
        result = None
        if member.state == "running":
            state = {"installed": "done", "unsent": "unsent"}.get(mine[0].state, "failed")
            result = Result(state=cast("Any", "running" if mine[0].is_open else state))
        return View(
            online=member.station in self.online,
            charging=member.station in self.charging,
            busy=bool(mine) and mine[0].is_open,
            result=result,
        )

    def look(self) -> Judged:
        """Judges once, does what follows, and checks what must always be so."""
        views = {each.station: self.view(each) for each in self.members}
        judged = judge(self.campaign, self.members, views, self.now)
        for before, after in zip(self.members, judged.members, strict=True):
            assert allowed(CAMPAIGN_STATION, before.state, after.state) or (
                # It was never asked, and its turn came again at once.
                before.state == "running" == after.state
            )
            assert (after.ended_at is None) == (after.state in {"waiting", "running"})
        for name in judged.starts:
            assert self.campaign.state == "running"
            assert name in self.online
            assert name not in self.charging
            self.begin(name)
        assert allowed(CAMPAIGN, self.campaign.state, judged.campaign.state)
        self.campaign, self.members = judged.campaign, list(judged.members)
        under_way = [each for each in self.members if each.state == "running"]
        assert len(under_way) <= self.campaign.wave_size
        for wave in {each.wave for each in self.members} - {None}:
            assert sum(each.wave == wave for each in self.members) <= self.campaign.wave_size
        return judged

    def begin(self, name: str) -> None:
        mine = self.updates[name]
        assert not any(update.is_open for update in mine), "two updates at once"
        mine.insert(
            0,
            UpdateState(
                id=f"{name}-{len(mine)}",
                request_id=len(mine) + 1,
                state="requested",
                status=None,
                why=None,
                retrieve_at=self.now,
                install_at=None,
                firmware_before=self.version[name],
                firmware_after=None,
                created_at=self.now,
                heard_at=self.now,
                ended_at=None,
            ),
        )


@settings(max_examples=200, deadline=None)
@given(
    happened=st.lists(happenings, max_size=60),
    wave_size=st.integers(1, 4),
    pause_s=st.sampled_from([0, 600]),
    max_failures=st.none() | st.integers(0, 3),
    window=st.sampled_from(WINDOWS),
)
def test_any_campaign_keeps_its_waves_and_ends(
    happened: list[tuple[Any, ...]],
    wave_size: int,
    pause_s: int,
    max_failures: int | None,
    window: Window | None,
) -> None:
    world = World(
        Campaign(
            state="running",
            why=None,
            wave=0,
            wave_size=wave_size,
            wave_pause_s=pause_s,
            next_wave_at=START,
            window=window,
            max_failures=max_failures,
            while_charging=False,
            ends_at=START + timedelta(days=3),
            ended_at=None,
        )
    )
    for happening in happened:
        world.happen(happening)
    # Nothing more is heard: its own alarms, and those of the updates, are enough to end it.
    for _ in range(200):
        if world.campaign.ended_at is not None:
            break
        wake_at = world.look().wake_at
        silences = [
            mine[0].given_up_at for mine in world.updates.values() if mine and mine[0].is_open
        ]
        moments = [*silences, *([wake_at] if wake_at else [])]
        assert moments, "nothing would ever wake it"
        assert min(moments) > world.now
        world.wait(min(moments) - world.now)
        world.look()
    assert world.campaign.ended_at is not None
    assert world.now <= START + timedelta(days=3) + timedelta(minutes=600 * 60) + 7 * SILENCE
    assert {each.state for each in world.members} <= {"done", "failed", "skipped", "missed"}
