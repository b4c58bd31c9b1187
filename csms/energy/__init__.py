"""The energy feature."""
