"""REST doors of reconciliation: what did not add up, and asking stations about it."""
