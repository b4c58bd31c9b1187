"""REST of sites, of what is measured there, and of what is forecast and paid."""
