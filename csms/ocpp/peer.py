"""A peer: the state of the remote procedure calls on one connection.

One call of ours is out at a time, as OCPP-J demands; the caller queues the others. Ids are handed
in, and so is the time: the peer never reads a clock. Calls of the station are only classified here;
keeping them in order is the lane's business. Nothing in here waits, writes or raises on input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from csms.ocpp import frame
from csms.ocpp.frame import Call, ErrorCode, Malformed, Send, Version

_REMEMBERED_MAX = 16
"""How many calls that timed out are remembered, to tell a late answer from an unasked one."""


class Outstanding(msgspec.Struct, frozen=True, gc=False):
    """A call of ours that waits for its answer."""

    message_id: str
    action: str
    deadline_s: float
    """When it times out, by the caller's monotonic clock."""


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The station has answered our call."""

    call: Outstanding
    payload: bytes


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The station has refused our call."""

    call: Outstanding
    code: str
    description: str
    details: bytes


class Garbled(msgspec.Struct, frozen=True, gc=False):
    """The station has answered our call with something unreadable: the outcome is unknown."""

    call: Outstanding
    detail: str


class Disputed(msgspec.Struct, frozen=True, gc=False):
    """The station could not use an answer of ours (CALLRESULTERROR, 2.1)."""

    message_id: str
    code: str
    description: str


class Stray(msgspec.Struct, frozen=True, gc=False):
    """An answer that nobody waits for: late, or to a call that was never made."""

    message_id: str
    kind: Literal["late", "unasked"]


Inbound = Call | Send | Answered | Failed | Garbled | Disputed | Stray | Malformed


class Peer:
    """The calls of one connection, in both directions."""

    def __init__(
        self, version: Version, new_id: Callable[[], str], *, call_timeout_s: float = 30.0
    ) -> None:
        self.version: Version = version
        self._new_id = new_id
        self._call_timeout_s = call_timeout_s
        self._out: Outstanding | None = None
        # Short and mostly empty: a list takes 700 bytes less of each station than a deque.
        self._timed_out: list[str] = []

    @property
    def outstanding(self) -> Outstanding | None:
        """The call that waits for its answer; while there is one, no other may be made."""
        return self._out

    def call(self, action: str, payload: bytes, now_s: float) -> bytes:
        """Returns the frame of a new call, which is outstanding from now on.

        Raises:
            RuntimeError: if another call is still out.
        """
        if self._out is not None:
            raise RuntimeError(f"{self._out.action} is still out; {action} has to wait")
        message_id = self._new_id()
        assert 0 < len(message_id) <= frame.MESSAGE_ID_MAX
        self._out = Outstanding(message_id, action, now_s + self._call_timeout_s)
        return frame.call(message_id, action, payload)

    def expire(self, now_s: float) -> Outstanding | None:
        """Returns the outstanding call if its time is up, and gives it up."""
        if self._out is None or now_s < self._out.deadline_s:
            return None
        self._timed_out = [*self._timed_out, self._out.message_id][-_REMEMBERED_MAX:]
        return self._settle()

    def close(self) -> Outstanding | None:
        """Returns the call that was out when the connection ended, and gives it up."""
        return self._settle() if self._out is not None else None

    def receive(self, data: bytes | str) -> Inbound:
        """Returns what one websocket message is."""
        inbound = frame.read(data, self.version)
        if isinstance(inbound, (Call, Send)):
            return inbound
        if isinstance(inbound, Malformed):
            return self._on_malformed(inbound)
        if isinstance(inbound, frame.Error) and inbound.of_result:
            return Disputed(inbound.message_id, inbound.code, inbound.description)
        if self._out is None or inbound.message_id != self._out.message_id:
            return self._stray(inbound.message_id)
        call = self._settle()
        if isinstance(inbound, frame.Result):
            return Answered(call, inbound.payload)
        return Failed(call, inbound.code, inbound.description, inbound.details)

    def answer(self, message_id: str, payload: bytes) -> bytes:
        """Returns the frame of our answer to the station's call."""
        return frame.result(message_id, payload)

    def refuse(self, message_id: str, code: ErrorCode, description: str = "") -> bytes:
        """Returns the frame of our refusal of the station's call."""
        return frame.error(message_id, code, description, self.version)

    def dispute(self, message_id: str, code: ErrorCode, description: str = "") -> bytes | None:
        """Returns the frame that says we can't use an answer, where the version has one (2.1).

        An answer is never answered with a CALLERROR.
        """
        if self.version != "2.1":
            return None
        return frame.error(message_id, code, description, "2.1", kind=frame.RESULT_ERROR)

    def _on_malformed(self, inbound: Malformed) -> Inbound:
        about_ours = inbound.message_type in {frame.RESULT, frame.ERROR}
        if about_ours and self._out is not None and inbound.message_id == self._out.message_id:
            return Garbled(self._settle(), inbound.detail)
        return inbound

    def _stray(self, message_id: str) -> Stray:
        if message_id in self._timed_out:
            self._timed_out.remove(message_id)
            return Stray(message_id, "late")
        return Stray(message_id, "unasked")

    def _settle(self) -> Outstanding:
        assert self._out is not None
        settled, self._out = self._out, None
        return settled
