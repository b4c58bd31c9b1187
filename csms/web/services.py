"""What the REST door needs from the house, as one frozen value that the composition root fills.

The station side is named by protocols, because the gateway lies above the features. Features take
what they need from here; nobody looks anything up elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import HTTPConnection

from csms.bus.base import Bus
from csms.config import Settings
from csms.keyring import Keyring
from csms.ledger.database import Database
from models.clocks import Activity, Clock, RealClock, RealWireClock, SteppedClock, WireClock
from models.errors import FieldError
from models.ids import IdMaker


class CommandOutcome(Protocol):
    """What became of a command (`csms.gateway.courier.Settled`)."""

    @property
    def state(self) -> str:
        """A state of `models.states.COMMAND`."""
        ...

    @property
    def response(self) -> str | None:
        """The station's answer as JSON text."""
        ...

    @property
    def error_code(self) -> str | None:
        """The station's CALLERROR code, or ours."""
        ...

    @property
    def detail(self) -> str | None:
        """The reason in words."""
        ...


class StationCourier(Protocol):
    """Waits for what stations answer to commands."""

    async def settled(self, command_id: str, timeout_s: float) -> CommandOutcome:
        """Returns the outcome once there is one, or the present state after `timeout_s`."""
        ...


class StationGateway(Protocol):
    """The door for stations, as far as the REST door reaches through it."""

    def online(self, identity: str) -> bool:
        """Returns whether the station is connected and booted here."""
        ...

    def waiting(self, identity: str) -> bool:
        """Returns whether the station is connected here and waits for approval."""
        ...

    def refusal_while_waiting(
        self, identity: str, action: str, payload: Mapping[str, Any]
    ) -> str | None:
        """Returns why a station that waits for approval is not sent a request; None: it may be."""
        ...

    async def disconnect(self, identity: str) -> bool:
        """Closes the station's connection; returns whether there was one."""
        ...

    def station_changed(self, identity: str) -> None:
        """Says that the station's record has changed or is gone: forget what was cached."""
        ...

    def validate_command(
        self, identity: str, action: str, payload: Mapping[str, Any]
    ) -> Sequence[FieldError]:
        """Returns what is wrong with a payload in the version that a station speaks.

        The errors point into the payload; an action that the version does not have is one error
        with an empty pointer. Nothing is said of a station that is not connected.
        """
        ...


class Leading(Protocol):
    """This service's place among those on its database (`csms.ledger.lead.Lead`)."""

    @property
    def held(self) -> bool:
        """Whether it leads: plans, and does all else that goes on by itself."""
        ...

    @property
    def holder(self) -> str:
        """Who leads."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a REST route may need; kept in `app.state.services`."""

    db: Database
    clock: Clock
    """Life time: dates of resources and events."""
    ids: IdMaker
    bus: Bus
    keyring: Keyring
    gateway: StationGateway
    courier: StationCourier
    settings: Settings
    activity: Activity
    authority: object | None = None
    """Signs certificates of stations; `csms.security` knows its type."""
    desk: object | None = None
    """The booking desk; `csms.booking` knows its type."""
    lead: Leading | None = None
    """Which of several services on the database leads; None: there is no other."""
    stepped: SteppedClock | None = None
    """The clock that `POST /clock` moves; None: a real one, which nobody moves."""
    wire: WireClock = field(default_factory=RealWireClock)
    wall: Clock = field(default_factory=RealClock)
    """Real time: API keys expire by it even where life time is simulated."""


def services_of(connection: HTTPConnection) -> Services:
    """Returns the services of the application that a request came to."""
    services = connection.app.state.services
    assert isinstance(services, Services)
    return services
