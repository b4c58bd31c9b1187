"""A database that is away for a while."""

from __future__ import annotations

from typing import Any

from csms.ledger.database import Database
from models.errors import Unavailable


class FailingDatabase:
    """A database that can't be reached the first few times."""

    def __init__(self, db: Database, failures: int) -> None:
        self._db = db
        self.failures = failures

    def read(self) -> Any:
        self._fail()
        return self._db.read()

    def write(self, *args: Any, **kwargs: Any) -> Any:
        self._fail()
        return self._db.write(*args, **kwargs)

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the database can't be reached")
