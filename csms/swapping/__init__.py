"""Swapping: stations that swap batteries (OCPP 2.1)."""
