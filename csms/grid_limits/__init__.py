"""Limits that a grid operator sets for a while: obeyed at once, planned around, ended in time."""
