"""Quirks: by name, what a station is forgiven beyond the rule.

A station's record lists names; each is a promise of this page and is read in one place. Tolerances
that cost nothing and lose nothing (unknown fields, sloppy times, odd spellings of numbers) need no
quirk: they are always let through and recorded, unless the record says `strict`.
"""

from __future__ import annotations

from collections.abc import Mapping

NO_SUBPROTOCOL = "no-subprotocol"

QUIRKS: Mapping[str, str] = {
    NO_SUBPROTOCOL: "A handshake that offers no known subprotocol is taken as OCPP 1.6.",
}
"""Every quirk there is, with what it means."""
