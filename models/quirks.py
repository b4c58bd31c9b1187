"""Quirks: the ways in which real charging stations differ from the specification, each by its name.

One catalogue for both sides of the wire: the simulators play each quirk, and the service says what
it does about it. It is in `quirks.toml`, with the issue trackers it was gathered from. A station's
record lists the quirks that somebody has to know of (`Quirk.setting`); all others are let through
for every station that is not `strict`. Nothing on the way of a message looks in here: what a
station's quirks come to is worked out once per connection.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Literal

import msgspec

Group = Literal[
    "connect",
    "boot",
    "clock",
    "authorisation",
    "transactions",
    "metering",
    "status",
    "smart charging",
    "reservation",
    "firmware",
    "car",
]
Response = Literal["tolerate", "forgive", "adapt", "notice", "show"]
QuirkVersion = Literal["1.6", "2.0.1", "2.1"]


class Quirk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to differ."""

    id: str
    group: Group
    does: str
    """What the hardware does."""
    we: Response
    """Of what kind our part is."""
    how: str
    """What we do about it."""
    source: str = ""
    """Trackers and numbers; empty: seen, but with nothing to cite."""
    versions: tuple[QuirkVersion, ...] = ("1.6", "2.0.1", "2.1")
    family: str = ""
    """Two of a family exclude each other in one simulated station."""

    @property
    def setting(self) -> bool:
        """Whether it must be on the station's record, because guessing would harm others."""
        return self.we in ("forgive", "adapt")


class VendorDefault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stations of a vendor get on their record when they boot for the first time."""

    vendor: str
    """The beginning of the vendor's name, in any case."""
    quirks: tuple[str, ...]
    model: str = ""
    """The beginning of the model's name, in any case; empty: all models."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quirk: tuple[Quirk, ...]
    default: tuple[VendorDefault, ...]


def _read() -> _File:
    text = files("models").joinpath("quirks.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File)


_FILE = _read()
CATALOGUE: Mapping[str, Quirk] = {quirk.id: quirk for quirk in _FILE.quirk}
"""All of them, by id."""
DEFAULTS: tuple[VendorDefault, ...] = _FILE.default
SETTINGS: tuple[str, ...] = tuple(sorted(each.id for each in _FILE.quirk if each.setting))
"""Those that a station's record may list."""


def default_quirks(vendor: str | None, model: str | None) -> frozenset[str]:
    """Returns what a station of this vendor and model needs on its record."""
    names, models = (vendor or "").lower(), (model or "").lower()
    return frozenset(
        quirk
        for each in DEFAULTS
        if names.startswith(each.vendor.lower()) and models.startswith(each.model.lower())
        for quirk in each.quirks
    )
