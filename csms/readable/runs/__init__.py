"""The report of a run: what was played, policy by policy, and what else happened."""
