"""Bookings: promises of cars with enough energy, and their life."""
