"""What several sites have together is dealt by what each draws, and nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from csms.charging.sunshine import Drawn, Metered, dealt_energy, surplus_of
from csms.energy.dealing import dealt

POWERS = st.floats(0.0, 1e6)


@given(st.data(), st.integers(1, 5))
def test_nothing_is_lost_and_nobody_lacks_while_another_sells(data: st.DataObject, n: int) -> None:
    parts, needs = (data.draw(arrays(np.float64, (n, 3), elements=POWERS)) for _ in range(2))
    given_w = dealt(parts, needs)
    assert given_w.sum(axis=0) == pytest.approx(parts.sum(axis=0))
    assert (given_w >= 0).all()
    lacks = (needs - given_w > 1e-6 * (1 + needs)).any(axis=0)
    sells = (given_w - needs > 1e-6 * (1 + given_w)).any(axis=0)
    assert not (lacks & sells).any()


def test_what_is_scarce_goes_in_proportion_to_the_need_and_the_rest_by_shares() -> None:
    parts = np.array([[6.0, 6.0, 0.0, 6.0], [2.0, 2.0, 0.0, 2.0]])
    needs = np.array([[4.0, 1.0, 3.0, 0.0], [12.0, 3.0, 1.0, -5.0]])
    assert dealt(parts, needs) == pytest.approx(
        np.array([[2.0, 1.0 + 3.0, 0.0, 6.0], [6.0, 3.0 + 1.0, 0.0, 2.0]])
    )


def test_buildings_and_cars_are_dealt_the_energy_that_they_drew() -> None:
    metered = {"A": Metered(3000.0, 500.0), "B": Metered(1000.0, 1500.0), "C": Metered(None, 50.0)}
    drawn = [Drawn("t1", "A", 500.0), Drawn("t2", "B", 2000.0), Drawn("t3", "B", 500.0)]
    a, b = dealt_energy(["A", "B"], metered, drawn)
    assert (a.sun_wh, b.sun_wh) == pytest.approx((800.0, 3200.0))  # of 1000 and 4000 needed
    assert (a.sold_wh, b.sold_wh) == (0.0, 0.0)
    # The building goes first, and its cars share what it leaves.
    assert surplus_of(metered, drawn, [["A", "B"]]) == pytest.approx({"A": 300.0, "B": 1700.0})
    assert surplus_of(metered, drawn, []) == {"A": 2500.0, "B": 0.0}
    fixed = dealt_energy(["A", "B"], metered, drawn, by_need=False)
    assert [(each.used_wh, each.sold_wh) for each in fixed] == [(1000.0, 2000.0), (1000.0, 0.0)]
