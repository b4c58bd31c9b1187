"""How many messages of stations are answered per second of server CPU time.

Servers, each in a process of its own, are asked the same by the same stations, one message in
flight for each: a plain `ocpp` ChargePoint that stores nothing, the same with an ORM session and a
commit for each message (SQLite, synchronous=FULL), a bare `websockets` server that sends each frame
back, our gateway with a ledger in memory that answers at once, and our gateway with group commit on
SQLite (synchronous=FULL) and on PostgreSQL. What counts is the server's CPU time only, that of
PostgreSQL's processes included, and the ratios within one interleaved run. `event` is a
TransactionEvent of OCPP 2.0.1, all else is 1.6.

Run `python -m benchmarks.subjects_gateway`. Goals: MeterValues in memory at least 20 times the
plain library and 1.2 times the echo; TransactionEvent 30 times and once; the durable session mix 7
times the plain library, and 15 times the one with an ORM; on PostgreSQL 4 and 10 times.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import uvloop

from benchmarks.peers import BARE
from csms.bus.local import LocalBus
from csms.config import Settings
from csms.gateway.server import Gateway
from csms.intake import Intake, deciders
from csms.keyring import Keyring
from csms.ledger.batch import MessageNote
from csms.ledger.committer import Committer
from csms.ledger.database import Database
from csms.ledger.migrate import upgrade
from csms.ledger.relay import Relay
from models.answers import EMPTY, Answer, BootAnswer, TransactionAnswer
from models.clocks import Activity, RealClock, RealWireClock
from models.facts import BootReported, Fact, TransactionReported
from models.ids import UlidMaker
from tests.builders.pki import Pki
from tests.builders.postgres import PostgresServer

START = datetime(2024, 5, 1, tzinfo=UTC)
SUBJECTS = ("plain", "orm", "echo", "memory", "durable", "postgresql")
WORKLOADS = ("heartbeat", "meter", "event", "session")
NEEDLESS = {
    ("orm", "heartbeat"),
    ("echo", "session"),
    ("orm", "meter"),
    ("orm", "event"),
    *(("postgresql", workload) for workload in WORKLOADS if workload != "session"),
}
"""Pairs that no goal compares."""
READINGS_PER_SESSION = 8


@dataclass(frozen=True, slots=True)
class Rate:
    """What one run has shown."""

    subject: str
    workload: str
    messages: int
    cpu_s: float
    wall_s: float

    @property
    def per_cpu_s(self) -> float:
        """Messages answered per second of the server's CPU time."""
        return self.messages / self.cpu_s


# -- servers ---------------------------------------------------------------------------------


class Echo:
    """A ledger that keeps nothing and answers at once."""

    def enqueue(self, fact: Fact, message: MessageNote | None = None) -> asyncio.Future[Answer]:
        """Returns the answer at once."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.hand_in(fact, message, lambda answer, _error: future.set_result(answer or EMPTY))
        return future

    def hand_in(
        self,
        fact: Fact,
        message: MessageNote | None,
        done: Callable[[Answer | None, Exception | None], None],
    ) -> None:
        """Answers at once."""
        answer: Answer = EMPTY
        if isinstance(fact, BootReported):
            answer = BootAnswer("Accepted", 300, fact.received_at)
        elif isinstance(fact, TransactionReported):
            answer = TransactionAnswer(1, "Accepted")
        if message is not None and message.encode is not None:
            message.answer = message.encode(answer)
        done(answer, None)


async def serve_ours(
    ready: Callable[[int], None],
    stop: asyncio.Event,
    *,
    durable: bool,
    tls: bool = False,
    database_url: str | None = None,
) -> None:
    clock, wire, activity = RealClock(), RealWireClock(), Activity()
    ids = UlidMaker(clock, Random(1))
    with tempfile.TemporaryDirectory(prefix="heliofleet-bench-") as directory:
        url = database_url or f"sqlite:///{Path(directory) / 'bench.db'}"
        upgrade(url)
        db = Database.open(url)
        await db.start()
        bus = LocalBus(activity)
        relay = Relay(db, bus, clock=clock, ids=ids, activity=activity, wire=wire)
        committer = Committer(db, deciders(), clock, ids, activity, wire)
        settings = Settings(station_onboarding="accept")
        if tls:
            certificate, key = Pki(Path(directory) / "pki").server("ec")
            settings = Settings(
                station_onboarding="accept",
                ocpp_tls_certificate=(certificate,),
                ocpp_tls_key=(key,),
            )
        gateway = Gateway(
            db=db,
            intake=Intake(committer) if durable else Echo(),
            bus=bus,
            keyring=Keyring(b"k" * 32),
            settings=settings,
            clock=clock,
            wire=wire,
            ids=ids,
            activity=activity,
        )
        await relay.start()
        start = gateway.start_tls if tls else gateway.start
        port = await start("127.0.0.1", 0)
        gc.set_threshold(20_000, 50, 1_000)
        gc.freeze()
        ready(port)
        await stop.wait()
        await gateway.drain(3)
        await committer.drain()
        await relay.close()
        await bus.close()
        await committer.close()
        await db.close()


def family_cpu_s(pid: int) -> float:
    """Returns the CPU time of a process and its children, those that have ended included."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ticks = 0
    for each, fields in ((pid, 4), *((int(child), 2) for child in children)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            stat = Path(f"/proc/{each}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            ticks += sum(map(int, stat[11 : 11 + fields]))
    return ticks / os.sysconf("SC_CLK_TCK")


def run_server(subject: str, pipe: Connection) -> None:
    """Serves in this process; tells its port, then its CPU time whenever it is asked."""
    postgres = PostgresServer(on_disk=True) if subject == "postgresql" else None
    url: str | None = None
    if postgres is not None:
        postgres.start()
        postgres.run("CREATE DATABASE bench")
        url = postgres.url("bench")

    async def main() -> None:
        stop = asyncio.Event()

        def asked() -> None:
            if pipe.recv() == "stop":
                stop.set()
            else:
                usage = resource.getrusage(resource.RUSAGE_SELF)
                others_s = 0.0 if postgres is None else family_cpu_s(postgres.pid)
                pipe.send(usage.ru_utime + usage.ru_stime + others_s)

        asyncio.get_running_loop().add_reader(pipe.fileno(), asked)
        if subject in BARE:
            await BARE[subject](pipe.send, stop)
        else:
            await serve_ours(
                pipe.send,
                stop,
                durable=subject != "memory",
                tls=subject == "tls",
                database_url=url,
            )

    try:
        uvloop.run(main())
    finally:
        if postgres is not None:
            postgres.stop()


# -- stations --------------------------------------------------------------------------------


def frame(text: bytes) -> bytes:
    """Returns a masked text frame; a mask of zeros costs the sender nothing."""
    size = len(text)
    if size < 126:
        return bytes([0x81, 0x80 | size, 0, 0, 0, 0]) + text
    return bytes([0x81, 0xFE, size >> 8, size & 255, 0, 0, 0, 0]) + text


def measured(number: int) -> tuple[tuple[float, str, str, str], ...]:
    """Returns what a meter says: value, measurand, unit and, as JSON, of what."""
    return (
        (1000 + number, "Energy.Active.Import.Register", "Wh", ""),
        (3680.5, "Power.Active.Import", "W", ""),
        (16.0, "Current.Import", "A", ',"phase":"L1"'),
        (230.1, "Voltage", "V", ',"phase":"L1-N"'),
        (55, "SoC", "Percent", ',"location":"EV"'),
    )


def meter_values(number: int, transaction: int) -> bytes:
    at = (START + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    samples = ",".join(
        f'{{"value":"{value}","context":"Sample.Periodic","measurand":"{name}","unit":"{unit}"{more}}}'
        for value, name, unit, more in measured(number)
    )
    return (
        f'[2,"{number:036}","MeterValues",{{"connectorId":1,"transactionId":{transaction},'
        f'"meterValue":[{{"timestamp":"{at}","sampledValue":[{samples}]}}]}}]'
    ).encode()


def transaction_event(number: int, station: int) -> bytes:
    at = (START + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    samples = ",".join(
        f'{{"value":{value},"context":"Sample.Periodic","measurand":"{name}",'
        f'"unitOfMeasure":{{"unit":"{unit}"}}{more}}}'
        for value, name, unit, more in measured(number)
    )
    return (
        f'[2,"{number:036}","TransactionEvent",{{"eventType":"Updated","timestamp":"{at}",'
        f'"triggerReason":"MeterValuePeriodic","seqNo":{number},"transactionInfo":'
        f'{{"transactionId":"bench-{station}","chargingState":"Charging"}},'
        f'"evse":{{"id":1,"connectorId":1}},'
        f'"meterValue":[{{"timestamp":"{at}","sampledValue":[{samples}]}}]}}]'
    ).encode()


def messages(workload: str, station: int) -> Iterator[bytes]:
    """Yields what one station says, for ever."""
    number = station * 10_000_000
    while True:
        number += 1
        if workload == "heartbeat":
            yield f'[2,"{number:036}","Heartbeat",{{}}]'.encode()
        elif workload == "meter":
            yield meter_values(number % 10_000_000, 1)
        elif workload == "event":
            yield transaction_event(number % 10_000_000, station)
        else:
            yield from session(number * 20)


def session(number: int) -> Iterator[bytes]:
    """Yields Start, meter values and Stop; the transaction is the number of the last answer."""
    local = number % 100_000_000
    at = (START + timedelta(seconds=local)).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield (
        f'[2,"{number:036}","StartTransaction",{{"connectorId":1,"idTag":"card",'
        f'"meterStart":{1000 + local},"timestamp":"{at}"}}]'
    ).encode()
    for n in range(1, READINGS_PER_SESSION + 1):
        yield meter_values(local + n, -7)
    at = (START + timedelta(seconds=local + 15)).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield (
        f'[2,"{number + 15:036}","StopTransaction",{{"transactionId":-7,'
        f'"meterStop":{1020 + local},"timestamp":"{at}"}}]'
    ).encode()


BOOT = {
    "ocpp1.6": b'[2,"boot","BootNotification",'
    b'{"chargePointVendor":"Bench","chargePointModel":"One"}]',
    "ocpp2.0.1": b'[2,"boot","BootNotification",{"reason":"PowerUp",'
    b'"chargingStation":{"vendorName":"Bench","model":"One"}}]',
}


class Station(asyncio.Protocol):
    """A station that says the next thing as soon as the last one is answered."""

    def __init__(self, number: int, workload: str, *, echoed: bool = False) -> None:
        self.answered = 0
        self.errors = 0
        self.booted = asyncio.get_running_loop().create_future()
        self._said = messages(workload, number)
        self._number = number
        self._version = "ocpp2.0.1" if workload == "event" else "ocpp1.6"
        self._answer = b"[2," if echoed else b"[3,"
        self._transport: asyncio.Transport | None = None
        self._upgraded = False
        self._transaction = b"1"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the upgrade."""
        self._transport = transport  # type: ignore[assignment]
        assert self._transport is not None
        self._transport.write(
            (
                f"GET /ocpp/bench-{self._number} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                "Sec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Protocol: {self._version}\r\n\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        """Takes an answer, and says the next thing."""
        assert self._transport is not None
        if not self._upgraded:
            assert data.startswith(b"HTTP/1.1 101"), data
            self._upgraded = True
            self._transport.write(frame(BOOT[self._version]))
            return
        if not self.booted.done():
            if b'"boot"' in data:
                self.booted.set_result(None)
            return
        if self._answer not in data[:8]:
            self.errors += data[2:5] == b"[4," or data[4:7] == b"[4,"
            if b"[2," in data[:8]:
                return
        found = data.find(b'"transactionId":')
        if found > 0:
            self._transaction = data[found + 16 :].split(b"}")[0].split(b",")[0]
        self.answered += 1
        self.say()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives up waiting for an answer to its boot."""
        if not self.booted.done():
            self.booted.set_exception(ConnectionError(str(exc)))

    def say(self) -> None:
        """Says the next thing."""
        assert self._transport is not None
        text = next(self._said).replace(
            b'"transactionId":-7', b'"transactionId":' + self._transaction
        )
        self._transport.write(frame(text))

    def close(self) -> None:
        """Goes away."""
        assert self._transport is not None
        self._transport.abort()


async def load(
    port: int,
    workload: str,
    stations: int,
    seconds: float,
    ask: Callable[[], float],
    *,
    echoed: bool,
) -> tuple[int, float, float]:
    """Returns answered messages, the server's CPU seconds and the wall seconds."""
    loop = asyncio.get_running_loop()
    fleet: list[Station] = []
    for number in range(stations):
        _, station = await loop.create_connection(
            lambda number=number: Station(number, workload, echoed=echoed), "127.0.0.1", port
        )
        fleet.append(station)
    await asyncio.gather(*(station.booted for station in fleet))
    await asyncio.sleep(0.3)
    for station in fleet:
        station.say()
    await asyncio.sleep(0.5)
    before, cpu_before, wall_before = sum(s.answered for s in fleet), ask(), time.monotonic()
    await asyncio.sleep(seconds)
    after, cpu_after, wall_after = sum(s.answered for s in fleet), ask(), time.monotonic()
    errors = sum(s.errors for s in fleet)
    for station in fleet:
        station.close()
    assert errors == 0, f"{errors} messages were refused"
    return after - before, cpu_after - cpu_before, wall_after - wall_before


def measure(subject: str, workload: str, *, stations: int = 200, seconds: float = 3.0) -> Rate:
    """Runs one server under one load and returns its rate."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=run_server, args=(subject, theirs), daemon=True)
    server.start()
    port = ours.recv()

    def ask() -> float:
        ours.send("cpu")
        return float(ours.recv())

    answered, cpu_s, wall_s = uvloop.run(
        load(port, workload, stations, seconds, ask, echoed=subject == "echo")
    )
    ours.send("stop")
    server.join(10)
    if server.is_alive():
        server.kill()
    return Rate(subject, workload, answered, cpu_s, wall_s)


def table(rounds: int, seconds: float) -> list[tuple[str, str, float, float]]:
    """Returns workload, subject, median rate and its ratio to the plain library's."""
    rates: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for workload in WORKLOADS:
            for subject in SUBJECTS:
                if (subject, workload) in NEEDLESS:
                    continue
                rate = measure(subject, workload, seconds=seconds)
                rates.setdefault((workload, subject), []).append(rate.per_cpu_s)
    medians = {key: statistics.median(values) for key, values in rates.items()}
    return [
        (workload, subject, rate, rate / medians[workload, "plain"])
        for (workload, subject), rate in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    print(f"{'workload':12}{'subject':12}{'messages/cpu-s':>16}{'x plain':>10}")
    for workload, subject, rate, ratio in table(options.rounds, options.seconds):
        print(f"{workload:12}{subject:12}{rate:16,.0f}{ratio:10.1f}")


if __name__ == "__main__":
    main()
