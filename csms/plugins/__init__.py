"""What others add to the service: each kind of plug-in has its contract here."""
