"""REST: firmware updates of a station, what it tells of its firmware, and campaigns."""
