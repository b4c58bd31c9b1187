"""Simulations: what would be if something was different, played by a process of its own."""
