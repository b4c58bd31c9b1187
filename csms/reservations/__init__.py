"""Reservations: EVSEs that stations keep free for a token."""
