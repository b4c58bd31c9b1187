"""OCPP, sans I/O: bytes in, facts out; commands in, bytes out. No socket, clock or database."""
