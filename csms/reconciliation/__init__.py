"""What did not add up about transactions: what happened, what was done, what may be chosen."""
