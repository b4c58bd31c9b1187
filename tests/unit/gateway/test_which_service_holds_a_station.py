"""A station that has gone over to another service is held by that, however late the first tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from csms.stations.rules import StationState, connection_changed
from models.facts import ConnectionChanged

START = datetime(2026, 6, 15, tzinfo=UTC)
A, B, C = 1, 2, 3
LEFT = [
    (epoch, online, seconds)
    for seconds, (epoch, online) in enumerate(
        (epoch, online) for epoch in (1, 2, 3) for online in (True, False)
    )
]
"""What the first service has to tell: three connections, each of which has ended."""


def told(
    held_by: int, epoch: int, seconds: int, *, online: bool, formerly: tuple[int, ...] = ()
) -> ConnectionChanged:
    return ConnectionChanged(
        station="CP-1",
        received_at=START + timedelta(seconds=seconds),
        online=online,
        epoch=epoch,
        held_by=held_by,
        formerly=formerly,
    )


def never_seen() -> StationState:
    values: dict[str, Any] = dict.fromkeys(StationState.__struct_fields__)
    return StationState(**values | {"identity": "CP-1", "online": False, "epoch": 0})


@pytest.mark.parametrize("place", range(len(LEFT) + 1))
@pytest.mark.parametrize("known_epoch", [0, 1, 2, 3])
def test_it_is_where_it_came_last(place: int, known_epoch: int) -> None:
    """The second knew of no connection to the first, of one, of two, or of all."""
    news = [told(A, epoch, seconds, online=online) for epoch, online, seconds in LEFT]
    news.insert(place, told(B, known_epoch + 1, 6, online=True))
    station = never_seen()
    for number, fact in enumerate(news):
        station = (
            connection_changed(station, fact, START + timedelta(seconds=9 + number)) or station
        )
    assert (station.online, station.held_by, station.epoch) == (True, B, known_epoch + 1)
    gone = connection_changed(station, told(B, known_epoch + 1, 20, online=False), START)
    assert gone is not None
    assert (gone.online, gone.held_by) == (False, None)


def test_news_of_an_old_socket_of_the_same_service_are_none() -> None:
    station = connection_changed(never_seen(), told(A, 2, 1, online=True), START)
    assert station is not None
    assert connection_changed(station, told(A, 1, 2, online=False), START) is None
    assert connection_changed(station, told(A, 1, 2, online=True), START) is None
    assert connection_changed(station, told(B, 5, 2, online=False), START) is None


def test_who_was_taken_for_dead_has_no_station_that_has_gone_on_since() -> None:
    """It says again what it has, under a new number, as of when each connection began."""
    station = connection_changed(never_seen(), told(A, 5, 1, online=True), START)
    assert station is not None
    station = connection_changed(station, told(A, 5, 2, online=False), START)
    assert station is not None
    station = connection_changed(station, told(B, 6, 3, online=True), START)
    assert station is not None
    assert connection_changed(station, told(C, 5, 1, online=True), START) is None
    assert connection_changed(station, told(C, 5, 9, online=False), START) is None
    # But what nobody else has is its own again, and was not heard of earlier than before.
    buried = connection_changed(station, told(B, 6, 4, online=False), START)
    assert buried is not None
    back = connection_changed(buried, told(C, 6, 3, online=True), START)
    assert back is not None
    assert (back.held_by, back.online, back.last_seen) == (C, True, buried.last_seen)


def test_who_says_under_a_new_number_what_it_has_goes_on_holding_it() -> None:
    """However long ago the connection began: it was heard on ever since."""
    station = connection_changed(never_seen(), told(A, 5, 1, online=True), START)
    assert station is not None
    station = msgspec.structs.replace(station, last_seen=START + timedelta(seconds=60))
    station = connection_changed(station, told(C, 5, 1, online=True, formerly=(A,)), START)
    assert station is not None
    assert (station.online, station.held_by) == (True, C)
    assert station.last_seen == START + timedelta(seconds=60)
    # What was told of the service by its old number, after it was taken for dead, is late.
    assert connection_changed(station, told(A, 5, 70, online=False), START) is None


def test_who_could_not_say_its_new_number_yet_can_say_that_a_station_has_gone() -> None:
    station = connection_changed(never_seen(), told(A, 5, 1, online=True), START)
    assert station is not None
    gone = connection_changed(station, told(C, 5, 60, online=False, formerly=(A, B)), START)
    assert gone is not None
    assert (gone.online, gone.held_by) == (False, None)


@pytest.mark.parametrize("heard_at_s", [5, 20, 90])
def test_who_has_died_without_a_word_keeps_no_station_that_has_gone_on(heard_at_s: int) -> None:
    """However late it was told of, and whoever has heard the station since."""
    station = connection_changed(never_seen(), told(A, 1, 5, online=True), START)
    assert station is not None
    again = connection_changed(station, told(B, 1, 5, online=True, formerly=(A,)), late(80))
    assert again is not None
    assert again.last_seen == START + timedelta(seconds=5)
    again = msgspec.structs.replace(again, last_seen=START + timedelta(seconds=heard_at_s))
    taken = connection_changed(again, told(C, 1, 10, online=True), late(90))
    assert taken is not None
    assert (taken.held_by, taken.online) == (C, True)
    assert taken.last_seen == max(again.last_seen, START + timedelta(seconds=10))
    assert connection_changed(taken, told(B, 1, 99, online=False, formerly=(A,)), START) is None


def late(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)
