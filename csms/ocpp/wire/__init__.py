"""Generated structs of the wire, one module per version (tools/make_wire.py)."""
