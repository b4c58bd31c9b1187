"""Asking a station over REST: a command that a caller waits for, and the station's own answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from csms.stations.actions import COMMAND_TIMEOUT_S, check_connected, outcome_of
from csms.web.identity import caller_of
from csms.web.rows import find_row
from csms.web.services import services_of
from csms.web.shown import Problem
from csms.web.work import begin_work
from models.commands import AnyCommand
from models.errors import Conflict
from models.tables.stations import Station

ASKED: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in (502, 504)}
"""What else a route answers that asks a station."""
ON_ANY = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
ON_2X = ("ocpp2.0.1", "ocpp2.1")
ON_21 = ("ocpp2.1",)


def check_asked(request: Request, station: Station, versions: Sequence[str]) -> None:
    """Lets a station pass that is connected, and speaks one of these versions.

    Raises:
        Conflict: `not-in-version`; `station-pending`, `station-offline`.
    """
    spoken = station.ocpp_version
    if spoken is not None and spoken not in versions:
        raise Conflict(f"{spoken} has no way to say it", code="not-in-version")
    check_connected(services_of(request).gateway, station.identity)


async def find_asked(request: Request, identity: str, versions: Sequence[str]) -> Station:
    """Returns a station of the caller's tenant that `check_asked` lets pass.

    Raises:
        NotFound: if there is none, or it is another tenant's.
        Conflict: as `check_asked` says.
    """
    async with services_of(request).db.read() as session:
        station = await find_row(session, Station, identity, caller_of(request).tenant)
    check_asked(request, station, versions)
    return station


async def ask(
    request: Request, identity: str, command: AnyCommand, versions: Sequence[str] = ON_ANY
) -> dict[str, Any]:
    """Sends a command to a station that may know it, waits, and returns its answer.

    Raises:
        NotFound, Conflict: as `find_asked` does.
        CallError, NoAnswer, Conflict: as `outcome_of` does.
    """
    await find_asked(request, identity, versions)
    return await ask_found(request, identity, command)


async def ask_found(request: Request, identity: str, command: AnyCommand) -> dict[str, Any]:
    """As `ask`, of a station that was found and may be asked."""
    async with begin_work(request) as work:
        command_id = work.order(
            command, station=identity, origin="api", expires_in_s=COMMAND_TIMEOUT_S
        )
    return outcome_of(await services_of(request).courier.settled(command_id, COMMAND_TIMEOUT_S))
