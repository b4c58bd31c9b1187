"""The bus: wakes those who care about what became true. It may lose a note, the ledger never."""
