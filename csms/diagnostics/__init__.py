"""Diagnostics: what stations log, and how it comes here."""
