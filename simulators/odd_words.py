"""Odd words: how a station with quirks says its calls, on their way to the wire.

A twist takes a call as a station by the book would send it and returns what this one sends: the
same words changed, others before or after them, or nothing. A `Tongue` belongs to one station, over
all its connections, and remembers what its twists need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from models.timeline import format_rfc3339
from simulators.odd_times import CLOCKS

MAX_INT = 2**63 - 1
NEVER_GIVEN = 987_654_321
EARLIER = timedelta(minutes=2)
SPIKE_EACH = 5
PREVIOUS_EACH = 3
SERIAL_LENGTH = 24
OFFSET_WH = 4

Said = tuple[str, dict[str, Any]]


class Tongue:
    """What twists the words of one station."""

    def __init__(self, identity: str, quirks: frozenset[str], began: datetime) -> None:
        """Takes who speaks, with which quirks, and when it was switched on."""
        self.identity = identity
        self.register_wh = 0
        """At the last start of a transaction."""
        self.transaction_id: int | None = None
        """The last that a 1.6 station was given."""
        self.former_id: int | None = None
        """The one before."""
        self.open_start: dict[str, Any] | None = None
        """The StartTransaction of the transaction that is open."""
        self.last: dict[str, dict[str, Any]] = {}
        """The last words of each action."""
        self.counts: dict[str, int] = {}
        """How often each twist that counts was used."""
        self.reconnected = False
        """The next call is the first of a connection, and not of the first one."""
        self._met = False
        self._began = began
        self._clock = next((clock for name, clock in CLOCKS.items() if name in quirks), None)
        self._twists = [twist for name, twist in TWISTS.items() if name in quirks]

    @property
    def twists(self) -> bool:
        """Whether anything is said otherwise than by the book."""
        return bool(self._twists)

    def stamp(self, instant: datetime) -> str:
        """Writes an instant by the station's clock."""
        if self._clock is not None:
            return self._clock(instant, self._began)
        return format_rfc3339(instant)

    def connected(self) -> None:
        """Takes note of a new connection."""
        self.reconnected, self._met = self._met, True

    def count(self, what: str) -> int:
        """Returns how often this was asked, from 1."""
        self.counts[what] = self.counts.get(what, 0) + 1
        return self.counts[what]

    def twisted(self, action: str, payload: dict[str, Any]) -> list[Said]:
        """Returns the calls to make in place of this one, in order."""
        if action == "StartTransaction":
            self.register_wh = payload["meterStart"]
        plain = deepcopy(payload)
        calls: list[Said] = [(action, payload)]
        for twist in self._twists:
            calls = [said for call in calls for said in twist(self, *call)]
        self.last[action] = plain
        self.reconnected = False
        return calls

    def answered(self, action: str, words: dict[str, Any], answer: dict[str, Any]) -> None:
        """Takes note of what came back for a call."""
        if action == "StartTransaction":
            if answer["transactionId"] != self.transaction_id:
                self.former_id, self.transaction_id = self.transaction_id, answer["transactionId"]
            self.open_start = words
        elif action == "StopTransaction":
            self.open_start = None
            self.last["said stop"] = words


def _samples(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the sampled values of meter values of any version."""
    for value in payload.get("meterValue", ()):
        yield from value["sampledValue"]


def _registers(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for sample in _samples(payload):
        if sample.get("measurand", "").startswith("Energy"):
            yield sample


def _like(old: Any, number: float) -> Any:
    """Returns a number as the version writes it: 1.6 has texts."""
    return f"{number:g}" if isinstance(old, str) else number


def _tags(
    change: Callable[[Tongue, str], str],
) -> Callable[[Tongue, str, dict[str, Any]], list[Said]]:
    def twist(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
        if "idTag" in payload:
            payload["idTag"] = change(tongue, payload["idTag"])
        elif "idToken" in payload:
            token = payload["idToken"]
            payload["idToken"] = {**token, "idToken": change(tongue, token["idToken"])}
        return [(action, payload)]

    return twist


def _colons(_tongue: Tongue, tag: str) -> str:
    return ":".join(tag[n : n + 2] for n in range(0, len(tag), 2))


def _serial(tongue: Tongue, _tag: str) -> str:
    return tongue.identity.ljust(SERIAL_LENGTH, "0")


def _number(number: int) -> Callable[[Tongue, str, dict[str, Any]], list[Said]]:
    """Ends transactions under another number."""

    def twist(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
        if action == "StopTransaction":
            payload["transactionId"] = number
        return [(action, payload)]

    return twist


def _of_transaction(
    number: Callable[[Tongue], int | None],
) -> Callable[[Tongue, str, dict[str, Any]], list[Said]]:
    """Sends meter values under another number, or none."""

    def twist(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
        if action == "MeterValues" and "transactionId" in payload:
            other = number(tongue)
            if other is None:
                del payload["transactionId"]
            else:
                payload["transactionId"] = other
        return [(action, payload)]

    return twist


def _former(tongue: Tongue) -> int | None:
    return tongue.former_id or 0


def _now_and_then_former(tongue: Tongue) -> int | None:
    now_and_then = tongue.count("previous") % PREVIOUS_EACH == 0
    return tongue.former_id or 0 if now_and_then else tongue.transaction_id


def _max_int(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    calls = _number(MAX_INT)(tongue, action, payload)
    return [said for call in calls for said in _of_transaction(lambda _: MAX_INT)(tongue, *call)]


def _twice(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    twice = action in {"StartTransaction", "StopTransaction"}
    twice = twice or payload.get("eventType") in {"Started", "Ended"}
    return [(action, payload), (action, payload)] if twice else [(action, payload)]


def _start_again(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    again: list[Said] = []
    if tongue.reconnected and tongue.open_start is not None:
        again = [("StartTransaction", tongue.open_start)]
    return [*again, (action, payload)]


def _stop_again(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    stop = tongue.last.get("said stop")
    if action == "BootNotification" and stop is not None:
        return [(action, payload), ("StopTransaction", stop)]
    return [(action, payload)]


def _with(action_of: str, **words: Any) -> Callable[[Tongue, str, dict[str, Any]], list[Said]]:
    """Puts words of its own into the calls of an action."""

    def twist(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
        return [(action, {**payload, **words} if action == action_of else payload)]

    return twist


def _without_tag(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    if action == "StopTransaction":
        payload.pop("idTag", None)
    return [(action, payload)]


def _lower_stop(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    if action == "StopTransaction":
        payload["meterStop"] = max(0, tongue.register_wh - 1000)
    return [(action, payload)]


def _extra(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    if action in {"MeterValues", "TransactionEvent"}:
        payload["vendorUptime"] = 4711
    return [(action, payload)]


def _relative(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    if "transactionId" in payload:
        for sample in _registers(payload):
            sample["value"] = _like(sample["value"], float(sample["value"]) - tongue.register_wh)
    return [(action, payload)]


def _zeroes(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    if payload.get("eventType") not in {"Started", "Ended"}:
        for sample in _registers(payload):
            if tongue.count("spikes") % SPIKE_EACH == 0:
                sample["value"] = _like(sample["value"], 0.0)
    return [(action, payload)]


def _thousandths(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    for sample in _registers(payload):
        sample["value"] = _like(sample["value"], float(sample["value"]) / 1000)
    return [(action, payload)]


def _no_units(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    for sample in _samples(payload):
        sample.pop("unit", None)
        sample.pop("unitOfMeasure", None)
    return [(action, payload)]


def _per_phase(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    for value in payload.get("meterValue", ()):
        samples: list[dict[str, Any]] = []
        powers = [s for s in value["sampledValue"] if s.get("measurand") == "Power.Active.Import"]
        flows = any(float(power["value"]) > 0 for power in powers)
        for sample in value["sampledValue"]:
            if sample in powers:
                third = _like(sample["value"], float(sample["value"]) / 3)
                names = ("L1-N", "L2-N", "L3-N")
                samples += [{**sample, "value": third, "phase": name} for name in names]
            elif not (flows and sample.get("measurand", "").startswith("Energy")):
                samples.append(sample)
        value["sampledValue"] = samples
    return [(action, payload)]


def _aligned(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    for sample in _samples(payload):
        if sample.get("context") == "Sample.Periodic":
            sample["context"] = "Sample.Clock"
    return [(action, payload)]


def _closing(
    offset_wh: int, later: timedelta
) -> Callable[[Tongue, str, dict[str, Any]], list[Said]]:
    """Sends the last meter value once more after the stop, by the register of the stop."""

    def twist(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
        values = tongue.last.get("MeterValues")
        if action != "StopTransaction" or values is None:
            return [(action, payload)]
        after = deepcopy(values)
        stopped = datetime.fromisoformat(payload["timestamp"]) + later
        after["meterValue"] = [{**after["meterValue"][0], "timestamp": format_rfc3339(stopped)}]
        for sample in _samples(after):
            sample["context"] = "Transaction.End"
        for sample in _registers(after):
            sample["value"] = str(payload["meterStop"] + offset_wh)
        after["transactionId"] = payload["transactionId"]
        return [(action, payload), ("MeterValues", after)]

    return twist


def _late_boot(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    if action != "BootNotification":
        return [(action, payload)]
    status = {"connectorId": 0, "errorCode": "NoError", "status": "Available"}
    return [("Heartbeat", {}), ("StatusNotification", status), (action, payload)]


def _no_preparing(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    return [] if payload.get("status") == "Preparing" else [(action, payload)]


def _old_status(tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    before = tongue.last.get("StatusNotification")
    if action != "StatusNotification" or before is None or not payload["connectorId"]:
        return [(action, payload)]
    earlier = datetime.fromisoformat(payload["timestamp"]) - EARLIER
    old = {**before, "connectorId": payload["connectorId"], "timestamp": format_rfc3339(earlier)}
    return [(action, payload), (action, old)]


def _available(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    if payload.get("status") in {"Preparing", "Finishing"}:
        payload["status"] = "Available"
    return [(action, payload)]


def _to_and_fro(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    if payload.get("status") != "Charging":
        return [(action, payload)]
    return [(action, payload), (action, {**payload, "status": "SuspendedEV"}), (action, payload)]


def _whole_available(_tongue: Tongue, action: str, payload: dict[str, Any]) -> list[Said]:
    if action != "StatusNotification" or payload["connectorId"] == 0:
        return [(action, payload)]
    whole = {**payload, "connectorId": 0, "status": "Available"}
    return [(action, payload), (action, whole)]


TWISTS: dict[str, Callable[[Tongue, str, dict[str, Any]], list[Said]]] = {
    "late-boot": _late_boot,
    "tag-colons": _tags(_colons),
    "tag-suffix": _tags(lambda tongue, tag: f"{tag}_{tongue.identity}"[:20]),
    "tag-serial": _tags(_serial),
    "stop-without-tag": _without_tag,
    "extra-fields": _extra,
    "meter-session-relative": _relative,
    "meter-zero-start": _with("StartTransaction", meterStart=0),
    "meter-drop-zero": _zeroes,
    "meter-decrease": _lower_stop,
    "meter-kwh-vs-wh": _thousandths,
    "unit-missing": _no_units,
    "phase-keys-mixed": _per_phase,
    "clock-aligned-not-aligned": _aligned,
    "info-null-string": _with("StatusNotification", info="null", vendorErrorCode="null"),
    "status-jump": _no_preparing,
    "stale-status": _old_status,
    "available-with-cable": _available,
    "status-flap": _to_and_fro,
    "cp-status-lies": _whole_available,
    "stop-reason-wrong": _with("StopTransaction", reason="EVDisconnect"),
    "stop-unknown-tx": _number(NEVER_GIVEN),
    "stop-minus1": _number(-1),
    "txid-zero": _of_transaction(lambda _: 0),
    "txid-missing": _of_transaction(lambda _: None),
    "txid-maxint": _max_int,
    "txid-stale": _of_transaction(_former),
    "txid-prev-session": _of_transaction(_now_and_then_former),
    "meter-after-stop": _closing(0, timedelta(0)),
    "meter-offset": _closing(OFFSET_WH, timedelta(minutes=1)),
    "tx-twice": _twice,
    "restart-tx-on-reconnect": _start_again,
    "dup-stop": _stop_again,
}
"""By quirk, in the order in which they are put one over the other."""
