"""Sentences for reasons, one table for each language; all have the same codes."""
