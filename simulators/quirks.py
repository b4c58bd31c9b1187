"""Quirks: the ways in which real boxes differ from the specification, each by its name.

Taken from the issue trackers of central systems in the field. A station has a set of them; the
station or its voice asks `has`. Faults, which happen at a time and end, are in `simulators.faults`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.errors import BadInput

QUIRKS: dict[str, str] = {
    "ignores-limits": "accepts every limit and obeys none",
    "forgets-limits": "accepts every limit and forgets each fifth one at once",
    "forgets-reservations": "keeps reservations in memory only, and loses them when it restarts",
    "rejects-tx-profile": "answers Rejected to the profile of a transaction",
    "ignores-tx-profile": "accepts the profile of a transaction and obeys only defaults",
    "slow-limits": "needs 90 s before it obeys a limit",
    "no-subprotocol": "offers no subprotocol in the handshake (1.6 only)",
    "boot-on-reconnect": "sends BootNotification after every reconnection",
    "ts-no-zone": "writes times without a zone",
    "tag-case": "sends tokens in lower case (1.6 only)",
    "tx-twice": "says the start and the end of each transaction twice",
    "kilo-units": "meters in kWh and kW (1.6 only)",
    "energy-only": "meters the energy register and nothing else",
    "fw-download-failed": "can't fetch new firmware",
    "fw-install-failed": "fetches new firmware and can't install it",
    "fw-bad-signature": "says that the signature of new firmware is wrong, where there is one",
    "extra-fields": "adds a vendor's own field to its meter values, against the schema",
}

_ONLY_16 = frozenset({"no-subprotocol", "tag-case", "kilo-units"})


def check_quirks(names: Iterable[str]) -> tuple[str, ...]:
    """Returns the names (`all` stands for every quirk), sorted and each once.

    Raises:
        BadInput: if one is not known.
    """
    wanted = list(names)
    if "all" in wanted:
        return tuple(sorted(QUIRKS))
    for name in wanted:
        if name not in QUIRKS:
            raise BadInput(f"unknown quirk {name!r}; known: all, {', '.join(sorted(QUIRKS))}")
    return tuple(sorted(set(wanted)))


def deal(names: Sequence[str], stations: Sequence[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Returns which station gets which quirk: one station each, where the version can have it.

    `stations` are identities with their subprotocols. Dealing goes round and is no chance, so
    that asking for one more quirk leaves the others where they were only by their order.
    """
    dealt: dict[str, set[str]] = {}
    turn = 0
    for name in names:
        fitting = [
            identity
            for identity, subprotocol in stations
            if name not in _ONLY_16 or subprotocol == "ocpp1.6"
        ]
        if fitting:
            dealt.setdefault(fitting[turn % len(fitting)], set()).add(name)
            turn += 1
    return {identity: frozenset(quirks) for identity, quirks in dealt.items()}
