"""What follows for updates and campaigns from what is told; pure."""
