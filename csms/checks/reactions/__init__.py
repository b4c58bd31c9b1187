"""What follows when a check was asked for: its steps, one after the other."""
