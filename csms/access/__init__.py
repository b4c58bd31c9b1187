"""Who and what may come in: API keys and identification tokens."""
