"""How far a building has been from its usual load of late, and how that fades.

An unusual day (a holiday that no calendar knows, the first weekend, works on the roof) stays
unusual for hours; a lift or a kettle is over in some minutes. Both are seen only as their sum, so a
Kalman filter tells them apart: two parts that fade at their own rates, as shares of the usual load
(Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, 1989, chapter 4).
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LOOKS_BACK = timedelta(hours=12)
FADES_IN_H = np.array([12.0, 0.5])
"""In which time each part falls to 1/e: what the day is like, and what is just going on."""
DAY_SPREAD, MOMENT_SPREAD = 0.25, 0.1
"""Standard deviation of each part, as a share of the usual load, until the past tells the first."""
ENOUGH_READINGS = 7 * 96
"""A week of quarters: from here on the past counts as much as `DAY_SPREAD`. Before, a building may
have days of which the past knows none."""
APART_S = 4 * 3600.0
"""After this, what is just going on is over."""
NEAR_S = 600.0
METER_SPREAD = 0.05
MOST_OFF = 2.0
"""A reading that is farther off counts as this far: a meter may lie."""


def day_spread(at_s: Floats, shares: Floats) -> float:
    """Returns the standard deviation of what the day is like, as a share of the usual load.

    Args:
        at_s: when readings were, in their order, in seconds since 1970.
        shares: how far each was off the usual.
    """
    others = np.searchsorted(at_s, at_s + APART_S - NEAR_S)
    inside = np.flatnonzero(others < len(at_s))
    gap_s = at_s[others[inside]] - at_s[inside] - APART_S
    inside = inside[np.abs(gap_s) <= NEAR_S]
    kept = float(np.exp(-APART_S / 3600 / FADES_IN_H[0]))
    both = np.clip(shares, -MOST_OFF, MOST_OFF)
    seen = max(0.0, float((both[inside] * both[others[inside]]).sum()) / kept)
    return float(
        np.sqrt((seen + ENOUGH_READINGS * DAY_SPREAD**2) / (len(inside) + ENOUGH_READINGS))
    )


def off_by(at_s: Floats, shares: Floats, *, spread: float, wanted_s: Floats) -> Floats:
    """Returns how far the load will be off its usual, as shares of that.

    Args:
        at_s: when readings were, in their order, in seconds since 1970; none are as the usual.
        shares: how far each was off the usual.
        spread: as `day_spread` tells.
        wanted_s: for when to tell it.
    """
    if not len(at_s):
        return np.zeros(len(wanted_s))
    gaps_h = np.diff(at_s, prepend=at_s[0]) / 3600
    kept = np.exp(-gaps_h[:, None] / FADES_IN_H)
    # Two by two, in plain numbers: that takes a tenth of the time of as many small arrays.
    day_variance, moment_variance = spread**2, MOMENT_SPREAD**2
    day, moment, day_doubt, both_doubt, moment_doubt = 0.0, 0.0, day_variance, 0.0, moment_variance
    seen = np.clip(shares, -MOST_OFF, MOST_OFF).tolist()
    for (day_kept, moment_kept), share in zip(kept.tolist(), seen, strict=True):
        day_doubt = day_variance + day_kept**2 * (day_doubt - day_variance)
        moment_doubt = moment_variance + moment_kept**2 * (moment_doubt - moment_variance)
        both_doubt *= day_kept * moment_kept
        of_day, of_moment = day_doubt + both_doubt, moment_doubt + both_doubt
        doubt = of_day + of_moment + METER_SPREAD**2
        surprise = share - day_kept * day - moment_kept * moment
        day = day_kept * day + of_day / doubt * surprise
        moment = moment_kept * moment + of_moment / doubt * surprise
        day_doubt -= of_day**2 / doubt
        both_doubt -= of_day * of_moment / doubt
        moment_doubt -= of_moment**2 / doubt
    ahead_h = np.maximum(wanted_s - at_s[-1], 0.0) / 3600
    fading: Floats = np.exp(-ahead_h[:, None] / FADES_IN_H)
    return fading @ np.array([day, moment])
