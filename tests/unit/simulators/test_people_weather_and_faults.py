"""People, weather, faults and quirks: what a seed draws."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from models.errors import BadInput
from simulators.chance import stream
from simulators.faults import afflicted, check_faults, fronts, outages, solver_deaths
from simulators.people import wishes
from simulators.quirks import QUIRKS, check_quirks, deal
from simulators.scenario import load_scenario
from simulators.sun import clear_sky_power_w
from simulators.world import World

CONFLUENCE = load_scenario("confluence")


def drawn(seed=1, days=2):
    return wishes(CONFLUENCE, CONFLUENCE.start, days, stream(seed, "people"))


def test_streams_do_not_move_each_other():
    alone = stream(1, "a").random(3)
    stream(1, "b").random(100)
    assert (stream(1, "a").random(3) == alone).all()
    assert (stream(2, "a").random(3) != alone).all()


def test_people_ask_before_they_drive_and_drive_25_km_on_average():
    found = drawn()
    assert all(wish.asked_at < wish.start < wish.end for wish in found)
    assert [w.asked_at for w in found] == sorted(w.asked_at for w in found)
    assert np.mean([wish.distance_km for wish in found]) == pytest.approx(25, abs=0.1)
    assert all(w.start.minute % 15 == 0 and w.end.minute % 15 == 0 for w in found)
    one_way = [wish for wish in found if wish.dropoff_site_id != wish.pickup_site_id]
    assert 0.04 < len(one_way) / len(found) < 0.25
    assert len({wish.driver_id for wish in found}) > 80


def test_a_trip_fits_its_booking():
    for wish in drawn():
        hours = (wish.end - wish.start) / timedelta(hours=1)
        assert wish.distance_km / hours < 60


def test_the_sun_shines_by_day_and_never_above_the_peak():
    site = CONFLUENCE.sites[0]
    clear_w = clear_sky_power_w(site, site.pv_plants, CONFLUENCE.start, 288)
    assert clear_w[:50].max() == 0  # until four in the morning, local time
    assert 0.6 * site.pv_plants[0].peak_power_w < clear_w.max() < site.pv_plants[0].peak_power_w
    assert abs(int(clear_w.argmax()) - 13.6 * 12) < 14  # solar noon in Lyon in summer time


def test_clouds_take_away_and_never_add():
    world = World(CONFLUENCE, seed=1)
    for place in world.places.values():
        clear_w = clear_sky_power_w(place.spec, place.spec.pv_plants, world.start, len(place.pv_w))
        assert (place.pv_w <= clear_w + 1e-9).all()
        assert place.pv_w.sum() < clear_w.sum()
        assert (place.load_w > 0).all()


def test_a_bank_of_clouds_darkens_just_its_hours():
    plain = World(CONFLUENCE, seed=1)
    dark = World(CONFLUENCE, seed=1, faults=["forecast-error"])
    front = fronts(["forecast-error"], plain.start, 2, 1)[0]
    bins = range(
        int((front.start - plain.start) / timedelta(minutes=5)) + 4,
        int((front.end - plain.start) / timedelta(minutes=5)) - 4,
    )
    for site in plain.places:
        before_w, after_w = plain.places[site].pv_w, dark.places[site].pv_w
        assert after_w[bins].sum() < 0.5 * before_w[bins].sum()
        assert (after_w[: bins[0] - 8] == before_w[: bins[0] - 8]).all()


def test_a_fault_moves_only_what_it_is_about():
    plain = drawn()
    late = afflicted(["late-return"], plain, 1)
    changed = [(a, b) for a, b in zip(plain, late, strict=True) if a != b]
    assert 5 < len(changed) < 30
    assert all(15 <= b.habits.returns_after_minutes <= 60 for _, b in changed)
    both = afflicted(["empty-return", "late-return"], plain, 1)
    assert [w.habits.returns_after_minutes for w in both] == [
        w.habits.returns_after_minutes for w in late
    ]
    assert [w.id for w in both] == [w.id for w in plain]


def test_outages_are_the_same_for_the_same_seed():
    names, start = ["dead-station", "lost-connection"], CONFLUENCE.start
    found = outages(names, ("A", "B", "C", "D"), start, 3, 7)
    assert found == outages(names, ("A", "B", "C", "D"), start, 3, 7)
    assert sorted({outage.kind for outage in found}) == names
    assert all(outage.start < outage.end for outage in found)


def test_a_solver_dies_in_one_plan_of_twenty_and_in_the_same_ones_for_a_seed():
    assert solver_deaths(["late-return"], 1) is None
    dies, again = (solver_deaths(["killed-solver"], 1) for _ in range(2))
    assert dies is not None
    assert again is not None
    found = [dies() for _ in range(2000)]
    assert found == [again() for _ in range(2000)]
    assert 60 < sum(found) < 140


@pytest.mark.parametrize("check", [check_faults, check_quirks])
def test_unknown_names_are_refused_with_what_is_known(check):
    with pytest.raises(BadInput, match=r"unknown .* 'rain'; known: "):
        check(["rain"])


def test_all_quirks_are_dealt_to_stations_that_can_have_them():
    stations = [("a", "ocpp2.1"), ("b", "ocpp1.6"), ("c", "ocpp2.0.1")]
    dealt = deal(check_quirks(["all"]), stations)
    assert set().union(*dealt.values()) == set(QUIRKS)
    assert "kilo-units" in dealt["b"]
    assert "tag-case" in dealt["b"]
    assert deal([], stations) == {}
