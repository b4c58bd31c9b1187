"""Transactions and readings as stations tell them, the limits that stations hold, shares of sun."""
