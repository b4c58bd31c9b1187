"""From frame to Fact to answer, against a plain `ocpp` ChargePoint that does the same.

Both sides get the same bytes in memory, validate them, run a handler that stores nothing, and make
the bytes of the answer. Rounds are interleaved and count CPU time: the ratio holds on a busy
machine, too. Run `python -m benchmarks.subjects_codec`. Goals: 20 times for MeterValues, 30
for TransactionEvent.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import msgspec
from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePoint16
from ocpp.v16 import call_result as call_result_16
from ocpp.v201 import ChargePoint as ChargePoint201
from ocpp.v201 import call_result as call_result_201

from csms.ocpp.frame import Call
from csms.ocpp.peer import Peer
from csms.ocpp.table import Understood
from csms.ocpp.versions import dialect_of
from models.answers import EMPTY

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
AT = "2026-06-15T12:00:00Z"
ROUNDS = 7
CALLS_OURS = 4000
CALLS_PLAIN = 200


@dataclass(frozen=True, slots=True)
class Ratio:
    """What one subject costs on both sides."""

    subject: str
    ours_us: float
    plain_us: float
    ratio: float
    """Median over the rounds of plain time over ours."""


def samples(*, texts: bool) -> list[dict[str, Any]]:
    """Returns five sampled values as 1.6 (texts) or 2.x writes them."""
    values = [
        ("Energy.Active.Import.Register", 12345.6, "Wh", None),
        ("Power.Active.Import", 3.7, "kW", None),
        ("Current.Import", 16.0, "A", "L1"),
        ("Voltage", 230.1, "V", "L1-N"),
        ("SoC", 55.0, "Percent", None),
    ]
    made: list[dict[str, Any]] = []
    for measurand, value, unit, phase in values:
        sample = {"measurand": measurand, "context": "Sample.Periodic", "location": "Outlet"}
        sample |= {} if phase is None else {"phase": phase}
        if texts:
            made.append(sample | {"value": str(value), "unit": unit})
        else:
            made.append(sample | {"value": value, "unitOfMeasure": {"unit": unit}})
    return made


METER_VALUES: dict[str, Any] = {
    "connectorId": 1,
    "transactionId": 17,
    "meterValue": [{"timestamp": AT, "sampledValue": samples(texts=True)}],
}
TRANSACTION_EVENT: dict[str, Any] = {
    "eventType": "Updated",
    "timestamp": AT,
    "triggerReason": "MeterValuePeriodic",
    "seqNo": 5,
    "transactionInfo": {"transactionId": "f3a9-4711", "chargingState": "Charging"},
    "evse": {"id": 1, "connectorId": 1},
    "meterValue": [{"timestamp": AT, "sampledValue": samples(texts=False)}],
}


class Memory:
    """A connection that keeps nothing."""

    async def send(self, message: str) -> None:
        """Takes an answer."""
        assert message.startswith("[3,"), message


class Plain16(ChargePoint16):
    """The library's central system side, with a handler that stores nothing."""

    @on("MeterValues")
    def on_meter_values(self, **_payload: Any) -> call_result_16.MeterValues:
        """Answers."""
        return call_result_16.MeterValues()


class Plain201(ChargePoint201):
    """The library's central system side, with a handler that stores nothing."""

    @on("TransactionEvent")
    def on_transaction_event(self, **_payload: Any) -> call_result_201.TransactionEvent:
        """Answers."""
        return call_result_201.TransactionEvent()


def ours(subprotocol: str, frame: bytes) -> Callable[[], None]:
    """Returns our way from bytes to bytes."""
    dialect = dialect_of(subprotocol)
    peer = Peer(dialect.version, lambda: "id")

    def once() -> None:
        call = peer.receive(frame)
        assert isinstance(call, Call)
        heard = dialect.hear(call.action, call.payload, "CP", NOW, strict=False, accepted=True)
        assert isinstance(heard, Understood)
        reply = peer.answer(call.message_id, dialect.answer(heard.fact, EMPTY))
        assert reply.startswith(b"[3,")

    return once


def cpu_us(run: Callable[[], None], calls: int) -> float:
    """Returns the CPU time of one call, in microseconds."""
    began = time.process_time()
    run()
    return (time.process_time() - began) / calls * 1e6


def compare(subject: str, once: Callable[[], None], plain: Any, frame: str) -> Ratio:
    """Returns the ratio of one subject."""

    def run_ours() -> None:
        for _ in range(CALLS_OURS):
            once()

    def run_plain() -> None:
        async def route() -> None:
            for _ in range(CALLS_PLAIN):
                await plain.route_message(frame)

        asyncio.run(route())

    run_ours()
    run_plain()
    rounds = [(cpu_us(run_ours, CALLS_OURS), cpu_us(run_plain, CALLS_PLAIN)) for _ in range(ROUNDS)]
    return Ratio(
        subject,
        median(pair[0] for pair in rounds),
        median(pair[1] for pair in rounds),
        median(pair[1] / pair[0] for pair in rounds),
    )


def run() -> list[Ratio]:
    """Returns the ratios of all subjects."""
    meter_values = msgspec.json.encode([2, "19223201-1", "MeterValues", METER_VALUES])
    event = msgspec.json.encode([2, "19223201-1", "TransactionEvent", TRANSACTION_EVENT])
    return [
        compare(
            "1.6 MeterValues, 5 samples",
            ours("ocpp1.6", meter_values),
            Plain16("CP", Memory()),
            meter_values.decode(),
        ),
        compare(
            "2.0.1 TransactionEvent, 5 samples",
            ours("ocpp2.0.1", event),
            Plain201("CP", Memory()),
            event.decode(),
        ),
    ]


def main() -> int:
    """Prints the table."""
    print(f"{'subject':<36}{'ours us':>10}{'plain us':>10}{'ratio':>8}")
    for row in run():
        print(f"{row.subject:<36}{row.ours_us:>10.1f}{row.plain_us:>10.1f}{row.ratio:>8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
