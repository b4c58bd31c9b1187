"""A load of the building that can be moved: a heat pump or a boiler with a store.

Energy in the store is counted as the electricity that it takes to put it there. By itself the load
runs at full power until the store is full, then as much as keeps it full: that is how it runs where
nobody plans it, and what the building counts as "alone".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models.errors import FieldError
from scheduler.ranges import ENERGY_WH, POWER_W, out_of, range_errors


@dataclass(frozen=True, slots=True)
class FlexibleLoad:
    """A load with a store; a plan leaves in it at the end what it held, or what runs by itself."""

    id: str
    max_power_w: float
    store_wh: float
    stored_wh: float
    demand_w: tuple[float, ...]
    """What is taken out of the store, by step."""
    loss_w: float = 0.0


def by_itself(load: FlexibleLoad, hours: float) -> tuple[list[float], list[float]]:
    """Returns the power of each step, and what the store then holds, where nobody plans."""
    powers_w: list[float] = []
    states_wh: list[float] = []
    held_wh = load.stored_wh
    for demand_w in load.demand_w:
        out_w = demand_w + load.loss_w
        power_w = min(max((load.store_wh - held_wh) / hours + out_w, 0.0), load.max_power_w)
        held_wh += (power_w - out_w) * hours
        powers_w.append(power_w)
        states_wh.append(held_wh)
    return powers_w, states_wh


def flexible_errors(
    load: FlexibleLoad, pointer: str, steps: int, hours: float
) -> Iterator[FieldError]:
    """Yields what is wrong with a load, as where full power can't meet its demand."""
    fine = True
    for error in range_errors(load, _RANGES, pointer):
        fine = False
        yield error
    if not 0 <= load.stored_wh <= load.store_wh:
        fine = False
        detail = f"must be 0 to store_wh, {load.store_wh:g}, not {load.stored_wh:g}"
        yield FieldError(f"{pointer}/stored_wh", detail)
    if len(load.demand_w) != steps:
        fine = False
        detail = f"must hold {steps} values, not {len(load.demand_w)}"
        yield FieldError(f"{pointer}/demand_w", detail)
    for step, value in enumerate(load.demand_w):
        if (wrong := out_of(value, POWER_W)) is not None:
            fine = False
            yield FieldError(f"{pointer}/demand_w/{step}", wrong)
    if not fine or hours <= 0:
        return
    for step, held_wh in enumerate(by_itself(load, hours)[1]):
        if held_wh < -_TINY_WH:
            detail = f"is more than {load.max_power_w:g} W and the store can give"
            yield FieldError(f"{pointer}/demand_w/{step}", detail)
            return


_RANGES = {"max_power_w": POWER_W, "store_wh": ENERGY_WH, "loss_w": POWER_W}
_TINY_WH = 1e-6
