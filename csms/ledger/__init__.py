"""The ledger: the one place where things become durable, and the outbox of what became true."""
