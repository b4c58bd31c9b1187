"""REST of plans, and of who charges before them."""
