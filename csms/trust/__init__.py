"""Trust: whether certificates of vehicles and contracts are good, and where contracts come from."""
