"""What a desk has promised."""

from __future__ import annotations

from scheduler.admit import Wish
from scheduler.reach import Promise


def promised(wish: Wish, vehicle_id: str, booking_id: str) -> Promise:
    """Returns a wish as it was granted with a car."""
    return Promise(
        booking_id=booking_id,
        vehicle_id=vehicle_id,
        pickup_site=wish.pickup_site,
        dropoff_site=wish.dropoff_site,
        start=wish.start,
        end=wish.end,
        distance_km=wish.distance_km,
        reserve_km=wish.reserve_km,
    )
