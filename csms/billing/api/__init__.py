"""REST of the billing feature."""
