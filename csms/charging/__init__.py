"""The charging feature."""
