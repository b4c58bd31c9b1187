"""Commands that a caller waits for, to stations that may know them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from csms.stations.actions import COMMAND_TIMEOUT_S, outcome_of
from csms.web.services import services_of
from csms.web.shown import Problem
from csms.web.work import begin_work
from models.commands import AnyCommand
from models.errors import Conflict
from models.tables.stations import Station

ASKED: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in (502, 504)}
"""What else a route answers that asks a station."""
ON_2X = ("ocpp2.0.1", "ocpp2.1")
ON_21 = ("ocpp2.1",)


def check_asked(request: Request, station: Station, versions: Sequence[str]) -> None:
    """Lets a station pass that is here, and speaks one of these versions.

    Raises:
        Conflict: `station-offline`; `not-in-version`.
    """
    if not services_of(request).gateway.online(station.identity):
        raise Conflict(f"the station {station.identity} is not connected", code="station-offline")
    if station.ocpp_version not in versions:
        raise Conflict(f"{station.ocpp_version} stations know nothing of it", code="not-in-version")


async def asked(request: Request, station: str, command: AnyCommand) -> dict[str, Any]:
    """Sends a command to a station and returns its answer, as `StationAnswer` shows it.

    Raises:
        CallError, NoAnswer, Conflict: as `outcome_of` does.
    """
    async with begin_work(request) as work:
        command_id = work.order(
            command, station=station, origin="api", expires_in_s=COMMAND_TIMEOUT_S
        )
    return outcome_of(await services_of(request).courier.settled(command_id, COMMAND_TIMEOUT_S))
