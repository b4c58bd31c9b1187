"""What is kept of checks and known of stations, as it is shown."""
