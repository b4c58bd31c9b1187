"""House and station come to the same list, whatever happens on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from csms.access.rules import (
    ListRoom,
    ListState,
    TokenState,
    as_it_should_be,
    message_refused,
    message_sent,
    message_taken,
    next_message,
    not_for_it,
    tried_afresh,
    unanswered,
    version_told,
    wanted_list,
)
from models.commands import SendLocalList, decode_command, encode_command
from simulators.credentials import Credentials
from simulators.scenario import StationKind
from simulators.variables import Variables
from simulators.whitelist import Entry, Whitelist

NOON = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
NAMES = ("A", "b", "C", "d", "E", "f", "G")
KIND = StationKind(
    id="k",
    vendor="V",
    model="M",
    subprotocol="ocpp2.1",
    evses=1,
    max_power_w=3700.0,
    min_power_w=1380.0,
    current_type="AC",
    phases=1,
    safe_limit_w=1380.0,
    reaction_s=1.0,
)
Fate = Literal["arrives", "answer-lost", "lost", "refused"]


class Lists(RuleBasedStateMachine):
    """One station with its list, one house with its tokens, and a bad line between them."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, TokenState] = {}
        variables = Variables(KIND, 60, Credentials("BOX"))
        self.box = Whitelist(variables)
        self.known = ListState()
        self.room = ListRoom(tokens=5, per_message=2)
        for name, number in (("LocalAuthListMaxLength", 5), ("SendLocalListMaxLength", 2)):
            variable = variables.get(name)
            assert variable is not None
            variable.value = str(number)
        self.believed = False
        """Whether the station has told its version since the connection was made."""

    @rule(name=st.sampled_from(NAMES), status=st.sampled_from(("Accepted", "Blocked")))
    def set_token(self, name: str, status: str) -> None:
        self.tokens[name] = TokenState(
            "default", name.lower(), name, status, None, None, None, None
        )

    @rule(name=st.sampled_from(NAMES))
    def delete_token(self, name: str) -> None:
        self.tokens.pop(name, None)

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from(("ISO14443", "Central")))
    def set_type(self, name: str, kind: str) -> None:
        if name in self.tokens:
            self.tokens[name] = msgspec.structs.replace(self.tokens[name], type=kind)

    @rule()
    def house_is_restarted(self) -> None:
        stored = msgspec.json.encode(self.known)
        self.known = msgspec.json.decode(stored, type=ListState)
        self.believed = False

    @rule()
    def box_is_exchanged(self) -> None:
        self.box.forget()
        self.believed = False

    @rule(version=st.integers(1, 2**31 - 1))
    def somebody_else_writes(self, version: int) -> None:
        # A list that bears the number of ours by chance can't be told from ours.
        assume(version not in {self.known.version, self.known.sent_version})
        self.box.take(version, [Entry("STRANGE", "Accepted")], full=True)
        self.believed = False

    @rule(fate=st.sampled_from(("arrives", "lost")))
    def asks(self, fate: Fate) -> None:
        self.known = tried_afresh(self.known, "it came back")
        if fate == "lost":
            self.known = unanswered(self.known, "no answer")
            self.believed = False
        else:
            self.known = version_told(self.known, self.box.version)
            self.believed = True

    @rule(fate=st.sampled_from(("arrives", "answer-lost", "lost", "refused")))
    def sends(self, fate: Fate) -> None:
        message = self._next()
        if not self.believed or message is None or not self.known.may_send:
            return
        self.known = message_sent(self.known, message)
        taken = self._arrive(message) if fate in {"arrives", "answer-lost"} else "Failed"
        if fate in {"answer-lost", "lost"}:
            self.known = unanswered(self.known, "no answer")
            self.believed = False
        elif taken == "Accepted":
            self.known = message_taken(self.known)
        else:
            self.known = message_refused(self.known, taken)

    @rule()
    def says_that_it_has_no_list(self) -> None:
        self.known = not_for_it(self.known, "NotSupported")
        self.believed = False

    def _next(self) -> SendLocalList | None:
        wanted = wanted_list(self.tokens.values(), self.room, NOON)
        return next_message(self.known, wanted, self.room)

    def _arrive(self, message: SendLocalList) -> str:
        said = decode_command(encode_command(message))
        assert said == message
        entries = [
            Entry(each.id_token, each.status, token_type=each.token_type) for each in message.tokens
        ]
        return self.box.take(message.version, entries, full=message.full)

    @invariant()
    def what_is_known_is_what_is_held(self) -> None:
        """Once a station has told its version, and no list was asked for anew."""
        if self.believed and not self.known.full_wanted and self.known.sending is None:
            assert self.known.version == self.box.version
            assert set(self.known.held) == {entry.key[0] for entry in self.box.entries}

    def teardown(self) -> None:
        """On a good line, both come to what is wanted within a few messages."""
        self.asks("arrives")
        for _ in range(8):
            if self._next() is None:
                break
            assert self.known.may_send
            self.sends("arrives")
        wanted = wanted_list(self.tokens.values(), self.room, NOON)
        assert next_message(self.known, wanted, self.room) is None
        assert as_it_should_be(self.known, wanted).state == "synced"
        assert {(entry.token, entry.token_type): entry.status for entry in self.box.entries} == {
            (each.id_token, each.token_type): each.status for each in wanted.tokens.values()
        }


TestLists = Lists.TestCase
