"""What follows when tokens have changed, or a station has come: lists and caches are put right."""
