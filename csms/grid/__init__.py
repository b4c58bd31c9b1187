"""Grid: how stations behave towards it (DER control), and cars that give power (OCPP 2.1)."""
