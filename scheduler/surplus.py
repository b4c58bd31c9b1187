"""Charging as a sun-following charger does: the baseline in the place of a plan.

Each plugged car takes the surplus of its site, the emptiest first and each at its least power or
more; below a share of its battery it charges at once, and from the latest moment that still makes
its next trip. It looks at no price and waits for no better sun, as evcc does in its mode "pv" with
a minimum charge. The rule is that of `scheduler.baselines.surplus`, on what is forecast.
"""

from __future__ import annotations

from scheduler.baselines import MIN_SOC_SHARE
from scheduler.laxity import LeastLaxity, Rooms, Stand


class FollowSun(LeastLaxity):
    """Charges stays with the sun: a `scheduler.candidates.Charger`."""

    def __init__(self) -> None:
        """Needs to know nothing."""
        super().__init__(ready_share=MIN_SOC_SHARE)

    def deal(self, here: list[Stand], step: int, soc_wh: list[float], rooms: Rooms) -> None:
        """Deals the power of one step."""
        rooms.open(step)
        able = [
            stand
            for stand in here
            if stand.post is not None
            and stand.post.open[step]
            and soc_wh[stand.car.index] < stand.car.high_wh
        ]
        able.sort(key=lambda stand: (soc_wh[stand.car.index] / stand.car.high_wh, stand.car.index))
        given = {
            stand.car.index: rooms.take(
                stand, _must_w(stand, step, soc_wh[stand.car.index]), 0.0, soc_wh[stand.car.index]
            )
            for stand in able
        }
        for stand in able:
            number = stand.car.index
            wish_w = given[number] + rooms.spare_sun_w(stand)
            if wish_w >= stand.least_w and wish_w > given[number]:
                given[number] = rooms.take(stand, wish_w, given[number], soc_wh[number])
            stand.powers_w[step - stand.stay.start] = given[number]
            soc_wh[number] += given[number] * stand.gain


def _must_w(stand: Stand, step: int, soc_wh: float) -> float:
    """Returns the power that waits for no sun: to the share, and what later steps can't bring."""
    assert stand.post is not None
    if stand.hurries(step):
        return stand.power_w
    later_steps = float(stand.open_after[step - stand.stay.start]) - 1.0
    later_wh = later_steps * min(stand.power_w, stand.post.circuit_w) * stand.gain
    most_wh = stand.car.most_after_wh(soc_wh, int(later_steps), stand.gain)
    later_wh = min(later_wh, most_wh - soc_wh)
    return stand.power_for(max(stand.ready_wh - soc_wh, stand.goal_wh - soc_wh - later_wh))
