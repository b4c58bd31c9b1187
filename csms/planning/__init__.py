"""Planning: snapshots of the fleet to the scheduler, plans to limits, limits to what was obeyed."""
