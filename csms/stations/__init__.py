"""Charging stations: their records, what they report, and what we tell them."""
