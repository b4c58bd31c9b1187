"""The message log: what was said over OCPP, to be searched, followed, exported and forgotten."""
