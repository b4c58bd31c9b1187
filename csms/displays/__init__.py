"""Messages on the screens of stations."""
