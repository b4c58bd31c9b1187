"""Quirks: by name, what a station is forgiven or held to beyond the rule.

A station's record lists names; each is a promise of this page and is read in one place. Tolerances
that cost nothing and lose nothing (unknown fields, sloppy times, odd spellings of numbers) need no
quirk: they are always let through and recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NO_SUBPROTOCOL = "no-subprotocol"
STRICT = "strict"

QUIRKS: Mapping[str, str] = {
    NO_SUBPROTOCOL: "A handshake that offers no known subprotocol is taken as OCPP 1.6.",
    STRICT: "The specification at its word: no repair, no quarantine, times in RFC 3339 only.",
}
"""Every quirk there is, with what it means."""


def unknown_quirks(names: Iterable[str]) -> list[str]:
    """Returns those names that are no quirk, for a clear error where they are set."""
    return [name for name in names if name not in QUIRKS]
