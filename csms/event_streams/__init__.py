"""Event streams: values of variables that stations send all the time (OCPP 2.1)."""
