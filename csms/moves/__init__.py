"""Moves: what staff is to do where cars outnumber EVSEs."""
