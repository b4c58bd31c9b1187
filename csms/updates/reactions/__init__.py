"""What follows when stations answer, tell of their firmware, come and fall silent."""
