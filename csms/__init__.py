"""Heliofleet's service: doors for stations and people, features, ledger."""
