"""Decides what stations report of transactions, readings and tokens.

The rules (`csms.charging.rules`) are pure; these modules fetch what they need for a whole batch and
put their results into it. How a transaction's car is found is told in
`docs/explanation/how-a-car-is-known.md`.
"""
