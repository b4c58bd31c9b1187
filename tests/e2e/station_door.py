"""A server process with the doors of `serve` that stations use: ledger, bus and gateway.

It starts in a second, because it loads neither planner nor pages, so that it can be killed often.
Two faults can be planted in it; a kill test that passes with one of them would prove nothing. With
`--hasty` it answers stations before what they said is on disk. With `--forgetful` it takes a
StartTransaction that is said again for another one, and answers late, so that many are.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from random import SystemRandom
from typing import Any

import uvloop
from sqlalchemy.util import await_only

from csms.bus.local import LocalBus
from csms.charging.intake import transactions
from csms.config import Settings
from csms.gateway.server import Gateway
from csms.intake import Intake, deciders
from csms.keyring import Keyring
from csms.ledger.committer import Committer
from csms.ledger.database import Database
from csms.ledger.relay import Relay
from models.clocks import Activity, RealClock, RealWireClock
from models.ids import UlidMaker


class HastyCommitter(Committer):
    """Answers at once, and commits a little later."""

    def _decide(self, batch: Any, entries: Any) -> Any:
        outcome = super()._decide(batch, entries)
        task: Any = self._task
        task.get_loop().call_soon_threadsafe(self._answer_all, entries)
        if self._db.dialect == "sqlite":
            time.sleep(0.05)
        else:
            await_only(asyncio.sleep(0.05))
        return outcome

    def _answer_all(self, entries: Any) -> None:
        for entry in entries:
            entry.done(entry.answer, None)
            entry.done = lambda _answer, _error: None


class LateCommitter(Committer):
    """Commits at once, and answers a little later."""

    def _answer(self, entries: Any) -> None:
        asyncio.get_running_loop().call_later(0.15, super()._answer, entries)


COMMITTERS = {"": Committer, "--hasty": HastyCommitter, "--forgetful": LateCommitter}


async def serve(url: str, key_file: Path, fault: str) -> None:
    if fault == "--forgetful":
        transactions.match_start = lambda *_: None
    clock, wire, activity = RealClock(), RealWireClock(), Activity()
    ids = UlidMaker(clock, SystemRandom())
    db = Database.open(url)
    await db.start()
    bus = LocalBus(activity)
    relay = Relay(db, bus, clock=clock, ids=ids, activity=activity, wire=wire)
    committer = COMMITTERS[fault](db, deciders(), clock, ids, activity, wire)
    settings = Settings(database_url=url, station_onboarding="accept", secret_key_file=key_file)
    gateway = Gateway(
        db=db,
        intake=Intake(committer),
        bus=bus,
        keyring=Keyring.load(key_file),
        settings=settings,
        clock=clock,
        wire=wire,
        ids=ids,
        activity=activity,
    )
    await relay.start()
    await gateway.open()
    port = await gateway.start("127.0.0.1", 0)
    sys.stdout.write(f"ws://127.0.0.1:{port}/ocpp charging stations\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2]), "".join(sys.argv[3:])))
