"""A station's voice: notices become OCPP calls and commands become deeds, by the `ocpp` package.

This is the part that all versions share: one call at a time, what to check by schema, what the
package leaves unanswered or answers with the wrong code, and the end of a link. The words of each
version are in `simulators.voice_v16` and `simulators.voice_v2x`.

The package checks each message by `jsonschema`, which costs up to a millisecond. Here it checks
the first messages of each action and then every hundredth; what comes in unasked is always checked.
The unchecked ones are written by `simulators.wire`.
"""

# The package is written without complete types; these modules are the only ones that touch it.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportPrivateUsage=false

from __future__ import annotations

import asyncio
import itertools
import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from types import ModuleType
from typing import Any, ClassVar

import ocpp.messages
from ocpp.charge_point import ChargePoint
from ocpp.exceptions import OCPPError
from ocpp.messages import Call, CallError, MessageType

from models.errors import FleetError
from models.timeline import parse_rfc3339
from simulators.checks import Checks
from simulators.firmware import Order
from simulators.link import Link, LinkClosed
from simulators.logs import LogOrder
from simulators.notices import Answer, Notice
from simulators.odd_words import Tongue
from simulators.profiles import VOLTAGE_V, Period, Profile, Purpose
from simulators.station import Station
from simulators.wire import from_wire, to_wire

logger = logging.getLogger("simulators.voice")

# The package would check in a thread, which no virtual clock can wait for.
ocpp.messages.ASYNC_VALIDATION = False

ANSWER_WITHIN_S = 30


class Voice(ChargePoint):
    """One connection of one station; made anew for each."""

    version: ClassVar[str]
    results: ClassVar[ModuleType]
    """The package's dataclasses of answers."""
    known_actions: ClassVar[frozenset[str]] = frozenset()
    """All actions of the version: one that is not here is NotImplemented, else NotSupported."""

    def __init__(
        self,
        station: Station,
        link: Link,
        *,
        now: Callable[[], datetime],
        checks: Checks,
        message_ids: itertools.count[int],
        tongue: Tongue,
    ) -> None:
        super().__init__(station.identity, link, ANSWER_WITHIN_S, logger)
        self.station = station
        self.link = link
        self.now = now
        self.checks = checks
        self.closed = False
        self._ids = message_ids
        self.tongue = tongue
        tongue.connected()
        if "long-keys" in station.quirks:
            # The package would not let an answer go that its schema forbids.
            self.route_map["GetConfiguration"]["_skip_schema_validation"] = True
        self._open_call: str | None = None

    async def run(self) -> None:
        """Reads the link until it ends."""
        try:
            while True:
                await self.route_message(await self.link.recv())
        except FleetError:
            pass  # of whatever kind of link: it is gone
        finally:
            self._fail_open_call()

    @abstractmethod
    async def say(self, notice: Notice) -> Answer:
        """Says one notice in the words of the version and returns what came back.

        Raises:
            LinkClosed: if the link went before the answer came.
        """

    async def ask(self, request: object) -> Any | None:
        """Sends one call of the package's dataclasses.

        Returns:
            The package's result object; None if the answer was a CALLERROR or not a valid one.

        Raises:
            LinkClosed: if no answer came while the link was there, or in time.
        """
        action = type(request).__name__
        unique_id = f"{next(self._ids):08d}"
        self._open_call = unique_id
        try:
            if self.closed:
                raise LinkClosed
            self.checks.said[self.version] += 1
            if self.tongue.twists:
                return await self._ask_twisted(action, to_wire(request))
            if not self.checks.due(self.version, action):
                return await self._ask_unchecked(action, request, unique_id)
            return await self.call(request, suppress=False, unique_id=unique_id)
        except OCPPError as error:
            if self.closed:
                raise LinkClosed from error
            self.checks.complain(self.station.identity, action, error)
            return None
        except FleetError as error:
            raise LinkClosed(error.detail) from error
        except TimeoutError as error:
            await self.link.close()
            raise LinkClosed(f"no answer to {action}") from error
        finally:
            self._open_call = None

    async def _ask_unchecked(self, action: str, request: object, unique_id: str) -> Any | None:
        """Sends a call as it is."""
        await self._send(Call(unique_id, action, to_wire(request)).to_json())
        response = await self._get_specific_response(unique_id, ANSWER_WITHIN_S)
        if response.message_type_id == MessageType.CallError:
            raise response.to_exception()
        return getattr(self.results, action)(**from_wire(response.payload))

    async def _ask_twisted(self, action: str, payload: dict[str, Any]) -> Any | None:
        """Says a call as the station's quirks have it: otherwise, with others around it, or not."""
        result: Any | None = None
        for said, words in self.tongue.twisted(action, payload):
            self._open_call = unique_id = f"{next(self._ids):08d}"
            await self._send(Call(unique_id, said, words).to_json())
            response = await self._get_specific_response(unique_id, ANSWER_WITHIN_S)
            if response.message_type_id == MessageType.CallError:
                raise response.to_exception()
            self.tongue.answered(said, words, response.payload)
            if said == action:
                result = getattr(self.results, said)(**from_wire(response.payload))
        return result

    async def _get_specific_response(self, unique_id: str, timeout: float) -> Any:  # noqa: ASYNC109
        """Returns the answer of that id; the package would look at the machine's clock meanwhile.

        Raises:
            TimeoutError: if it did not come within `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while (response := await self._response_queue.get()).unique_id != unique_id:
                self.checks.complain(self.station.identity, "answer to nothing", response)
            return response

    def _fail_open_call(self) -> None:
        """Ends the wait for an answer that can't come any more."""
        self.closed = True
        if self._open_call is not None:
            gone = CallError(self._open_call, "GenericError", "link closed", {})
            self._response_queue.put_nowait(gone)

    async def _handle_call(self, msg: Any) -> Any:
        """Answers a call; the codes for what we don't do are those of OCPP-J, not the package's."""
        self.checks.said[self.version] += 1
        action = str(msg.action)
        if action not in self.route_map:
            known = action in self.known_actions
            code = "NotSupported" if known else "NotImplemented"
            await self._send(
                CallError(msg.unique_id, code, f"{action} is not done here", {}).to_json()
            )
            return None
        try:
            return await super()._handle_call(msg)
        except OCPPError as error:
            self.checks.complain(self.station.identity, f"{action} from the service", error)
            raise

    def stamp(self, instant: datetime) -> str:
        """Writes an instant as this station does."""
        return self.tongue.stamp(instant)


def read_instant(text: str | None) -> datetime | None:
    """Reads an instant that the service wrote."""
    return None if text is None else parse_rfc3339(text)


def read_order(request_id: int, firmware: Mapping[str, Any], now: datetime) -> Order:
    """Returns an update of firmware from the package's dictionaries (2.x, and signed 1.6)."""
    return Order(
        location=str(firmware["location"]),
        retrieve_at=read_instant(firmware["retrieve_date_time"]) or now,
        request_id=request_id,
        install_at=read_instant(firmware.get("install_date_time")),
        signed="signature" in firmware,
    )


def read_log_order(
    log: Mapping[str, Any], log_type: str, request_id: int, more: Mapping[str, Any]
) -> LogOrder:
    """Returns the log that is wanted from the package's dictionaries (GetLog)."""
    return LogOrder(
        "security" if log_type == "SecurityLog" else "diagnostics",
        str(log["remote_location"]),
        request_id=request_id,
        from_at=read_instant(log.get("oldest_timestamp")),
        until_at=read_instant(log.get("latest_timestamp")),
        retries=int(more.get("retries") or 0),
        retry_interval_s=float(more.get("retry_interval") or 0),
    )


def read_profile(
    raw: Mapping[str, Any],
    schedule: Mapping[str, Any],
    *,
    profile_id: int,
    purpose: Purpose,
    evse_id: int,
    phases: int,
    received_at: datetime,
) -> Profile:
    """Returns a stored profile from the package's dictionaries, amperes turned into watts."""
    transaction_id = raw.get("transaction_id")
    duration = schedule.get("duration")
    periods: list[Period] = []
    for period in schedule["charging_schedule_period"]:
        limit = float(period["limit"])
        if schedule["charging_rate_unit"] == "A":
            limit *= VOLTAGE_V * min(int(period.get("number_phases") or phases), phases)
        periods.append(Period(float(period["start_period"]), limit))
    return Profile(
        id=profile_id,
        evse_id=evse_id,
        purpose=purpose,
        stack_level=int(raw["stack_level"]),
        kind=str(raw["charging_profile_kind"]),
        periods=tuple(periods),
        received_at=received_at,
        start_at=read_instant(schedule.get("start_schedule")),
        duration_s=None if duration is None else float(duration),
        valid_from=read_instant(raw.get("valid_from")),
        valid_to=read_instant(raw.get("valid_to")),
        recurrency=raw.get("recurrency_kind"),
        transaction_id=None if transaction_id is None else str(transaction_id),
    )


def write_periods(
    periods: tuple[Period, ...], *, unit: str, phases: int
) -> list[dict[str, float | int]]:
    """Returns the periods of a composite schedule as the package writes them."""
    watts_per_unit = VOLTAGE_V * phases if unit == "A" else 1.0
    return [
        {"start_period": int(period.start_s), "limit": round(period.limit_w / watts_per_unit, 1)}
        for period in periods
    ]
