"""Names of a tenant's things as a scenario may have them: kept where they can be, and unique."""

from __future__ import annotations

import re

LONGEST = 48
_STRANGE = re.compile(r"[^A-Za-z0-9._-]")


class Names:
    """Names that are given out."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self.changed = 0
        """How many are not as they were."""

    def give(self, text: str) -> str:
        """Returns a name that nobody has yet, as near to a text as it may be."""
        name = plain = _STRANGE.sub("-", text)[:LONGEST] or "-"
        number = 1
        while name in self._taken:
            number += 1
            end = f".{number}"
            name = plain[: LONGEST - len(end)] + end
        self._taken.add(name)
        self.changed += name != text
        return name
