"""REST doors of charging: transactions, and the limits that stations hold."""
