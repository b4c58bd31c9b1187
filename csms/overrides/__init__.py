"""Overrides: what somebody wants of a car for a while, against what a plan would do."""
