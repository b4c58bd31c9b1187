"""Cars, their models and their drivers."""
