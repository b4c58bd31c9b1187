"""Pure planning: a problem in, a plan out. No database, no OCPP, no event loop."""
