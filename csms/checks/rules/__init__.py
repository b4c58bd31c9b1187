"""What is tried when a station is checked, and what follows from its answers; pure."""
