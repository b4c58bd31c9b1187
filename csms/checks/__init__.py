"""Checks of stations: is a box fit for work, and what is to be changed in it."""
