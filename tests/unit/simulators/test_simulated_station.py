"""A station's deeds: limits obeyed or not, meters, power loss, what it wants to tell."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulators.notices import Ask, Boot, Ended, Started, Status, Updated
from simulators.profiles import Purpose
from tests.builders.stations import NOON, a_car, a_limit, a_station, charging

MINUTE = timedelta(minutes=1)


def power_w(station, minutes):
    station.advance(NOON + minutes * MINUTE)
    return station.evses[1].power_w


def run_minutes(station, first, last):
    for minute in range(first, last + 1):
        station.advance(NOON + minute * MINUTE)
        station.speak_up(NOON + minute * MINUTE)


def verdicts(station):
    return [(limit.status, limit.disobeyed_at is not None) for limit in station.limits.book.truth()]


def test_an_unlimited_car_draws_what_it_can():
    station = a_station()
    car = charging(station)
    assert power_w(station, 60) == 3700
    assert station.evses[1].register_wh == pytest.approx(3700)
    assert car.soc_wh == pytest.approx(8000 + 3700 * 0.9)


def test_a_limit_takes_effect_after_the_reaction_time():
    station = a_station(reaction_s=10.0)
    charging(station)
    assert station.set_profile(a_limit(2000), NOON)
    station.advance(NOON + timedelta(seconds=9))
    assert station.evses[1].power_w == 3700
    assert power_w(station, 1) == 2000
    assert station.evses[1].register_wh == pytest.approx((3700 * 10 + 2000 * 50) / 3600)


def test_below_six_amperes_the_car_pauses_and_the_transaction_goes_on():
    station = a_station()
    charging(station)
    station.set_profile(a_limit(0), NOON)
    assert power_w(station, 2) == 0
    assert station.evses[1].transaction is not None
    assert station.evses[1].charging_state == "SuspendedEVSE"


def test_a_limit_for_a_transaction_ends_with_it_and_a_default_stays():
    station = a_station()
    charging(station)
    station.set_profile(a_limit(0, id=7, purpose=Purpose.DEFAULT, evse_id=0), NOON)
    station.set_profile(a_limit(2000), NOON)
    assert power_w(station, 1) == 2000
    station.unplug(1, NOON + MINUTE)
    assert [profile.id for profile in station.limits.stored()] == [7]


def test_no_transaction_no_transaction_profile():
    assert not a_station().set_profile(a_limit(2000), NOON)


def test_a_station_maximum_is_shared():
    station = a_station()
    charging(station)
    charging(station, evse_id=2, id="car-2")
    cap = a_limit(5000, id=3, evse_id=0, purpose=Purpose.STATION)
    assert station.set_profile(cap, NOON)
    station.advance(NOON + MINUTE)
    assert [evse.power_w for evse in station.evses.values()] == [2500, 2500]


def test_defaults_outlive_a_power_loss_and_transactions_do_not():
    station = a_station()
    charging(station)
    station.set_profile(a_limit(1500, id=7, purpose=Purpose.DEFAULT, evse_id=0), NOON)
    station.advance(NOON + MINUTE)
    station.lose_power(NOON + MINUTE)
    station.advance(NOON + 30 * MINUTE)
    held_wh = station.evses[1].register_wh
    station.regain_power(NOON + 30 * MINUTE)
    kinds = [type(notice) for notice in station.outbox]
    assert kinds[0] is Boot
    assert Ended in kinds
    assert kinds[-1] is Ask
    assert station.evses[1].register_wh == held_wh
    assert [profile.limit_w for profile in station.composite(1, NOON, 60)] == [1500]


def test_an_obeyed_limit_is_not_held_against_the_station():
    station = a_station()
    charging(station)
    station.set_profile(a_limit(2000), NOON)
    run_minutes(station, 1, 10)
    assert verdicts(station) == [("accepted", False)]


def test_an_ignored_limit_is_disobeyed_once():
    station = a_station(quirks=frozenset({"ignores-limits"}))
    charging(station)
    station.set_profile(a_limit(0), NOON)
    run_minutes(station, 1, 10)
    assert verdicts(station) == [("accepted", True)]
    assert station.limits.book.truth()[0].disobeyed_at == NOON + 2 * MINUTE


def test_an_ignored_limit_that_asks_for_no_less_is_not_disobeyed():
    station = a_station(quirks=frozenset({"ignores-limits"}))
    charging(station)
    station.set_profile(a_limit(3650), NOON)
    run_minutes(station, 1, 10)
    assert verdicts(station) == [("accepted", False)]


def test_a_limit_replaced_in_time_was_not_put_to_the_test():
    station = a_station(quirks=frozenset({"ignores-limits"}))
    charging(station)
    station.set_profile(a_limit(0), NOON)
    run_minutes(station, 1, 1)
    station.set_profile(a_limit(3700), NOON + MINUTE)
    run_minutes(station, 2, 10)
    assert verdicts(station) == [("accepted", False), ("accepted", False)]


def test_a_forgetful_station_disobeys_each_fifth_limit():
    station = a_station(quirks=frozenset({"forgets-limits"}))
    charging(station, soc_wh=1000.0)
    for turn in range(10):
        at = NOON + turn * 10 * MINUTE
        station.set_profile(a_limit(2000 if turn % 5 == 3 else 1500), at)
        run_minutes(station, turn * 10 + 1, turn * 10 + 9)
    disobeyed = [number for number, (_, bad) in enumerate(verdicts(station), 1) if bad]
    assert disobeyed == [5, 10]


def test_a_refusing_station_refuses_transaction_profiles_and_takes_defaults():
    station = a_station(quirks=frozenset({"rejects-tx-profile"}))
    charging(station)
    assert not station.set_profile(a_limit(2000), NOON)
    assert station.set_profile(a_limit(2000, purpose=Purpose.DEFAULT), NOON)
    assert verdicts(station) == [("rejected", False), ("accepted", False)]


def test_meters_speak_each_minute_while_power_flows_and_seldom_when_not():
    station = a_station()
    charging(station, soc_wh=15_990.0)
    run_minutes(station, 1, 60)
    samples = [n for n in station.outbox if isinstance(n, Updated)]
    assert 4 <= len(samples) <= 10
    lively = a_station()
    charging(lively)
    run_minutes(lively, 1, 60)
    assert len([n for n in lively.outbox if isinstance(n, Updated)]) == 60


def test_offline_a_card_is_trusted_and_only_what_is_billed_is_kept():
    station = a_station()
    station.plug(1, a_car(), NOON)
    station.present(1, "04AABBCC", NOON)
    run_minutes(station, 1, 3)
    station.came_online(NOON + 3 * MINUTE)
    kept = [n for n in station.outbox if not isinstance(n, Status)]
    assert isinstance(kept[0], Started)
    assert kept[0].offline
    assert all(isinstance(n, Started | Updated) for n in kept)


def test_a_remote_start_waits_two_minutes_for_the_cable():
    station = a_station()
    assert station.remote_start(1, "04AABBCC", 5, NOON)
    station.plug(1, a_car(), NOON + MINUTE)
    transaction = station.evses[1].transaction
    assert transaction is not None
    assert transaction.remote_start_id == 5
    late = a_station()
    late.remote_start(1, "04AABBCC", 5, NOON)
    late.plug(1, a_car(), NOON + 3 * MINUTE)
    assert late.evses[1].transaction is None


def test_a_composite_schedule_shows_what_is_coming():
    station = a_station()
    ahead = a_limit(500, id=2, kind="Absolute", start_at=NOON + MINUTE, purpose=Purpose.DEFAULT)
    station.set_profile(ahead, NOON)
    periods = station.composite(1, NOON, 600)
    assert [(period.start_s, period.limit_w) for period in periods] == [(0, 3700), (60, 500)]
    assert station.composite(9, NOON, 600) is None
