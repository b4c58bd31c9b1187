"""Deciders of updates: what stations tell of firmware, their own and what they offer to others."""
