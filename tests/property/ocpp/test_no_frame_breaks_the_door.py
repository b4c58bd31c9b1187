"""Whatever a station sends, the door answers or is silent: it never raises."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from csms.ocpp import frame
from csms.ocpp.dialects import Dialect
from csms.ocpp.frame import Call, Malformed
from csms.ocpp.peer import Peer
from csms.ocpp.table import Understood
from csms.ocpp.versions import DIALECTS
from models import answers, facts
from models.facts import event_streams, needs, trust
from models.facts.payments import SettlementReported, VatNumberPresented
from models.facts.priorities import SchedulePulled
from tests.builders.ocpp_payloads import mutants, request_schema, valid

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
SEEDS = 150
PIECES = [b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b"\x00", b"\xff", b"NaN", b"1e999", b"-"]
PIECES += [b"null", b"\\u0000", b"\\ud800", b"9" * 30, b"\xef\xbb\xbf", b" " * 50, b"[" * 50]
UNDER_TEST = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.subprotocol)


def door(dialect: Dialect, data: bytes, *, strict: bool) -> bytes | None:
    """Returns what goes back for one frame, as the gateway would make it."""
    peer = Peer(dialect.version, lambda: "ours")
    peer.call("Reset", b"{}", 0.0)
    inbound = peer.receive(data)
    if isinstance(inbound, Malformed):
        return inbound.reply
    if not isinstance(inbound, Call):
        return None
    heard = dialect.hear(inbound.action, inbound.payload, "CP-1", NOW, strict=strict, accepted=True)
    if not isinstance(heard, Understood):
        return peer.refuse(inbound.message_id, heard.code, heard.description)
    msgspec.json.encode(heard.fact)
    return peer.answer(inbound.message_id, dialect.answer(heard.fact, answer_to(heard.fact)))


def answer_to(fact: facts.Fact) -> answers.Answer:  # noqa: PLR0911 - one for each
    match fact:
        case facts.BootReported():
            return answers.BootAnswer("Rejected", 300, NOW)
        case facts.HeartbeatReported():
            return answers.HeartbeatAnswer(NOW)
        case facts.TokenPresented():
            return answers.TokenAnswer("Invalid")
        case facts.TransactionReported():
            return answers.TransactionAnswer(7)
        case facts.DataReceived():
            return answers.DataAnswer("Rejected")
        case facts.CertificateRequested():
            return answers.SigningAnswer(accepted=False)
        case SettlementReported():
            return answers.SettlementAnswer()
        case VatNumberPresented():
            return answers.VatAnswer(accepted=False, why="none")
        case SchedulePulled():
            return answers.ScheduleAnswer(why="none")
        case (
            trust.CertificateStatusAsked()
            | trust.CertificateChainAsked()
            | trust.ContractAsked()
            | event_streams.StreamOpened()
            | needs.NeedsReported()
            | needs.CarScheduleReported()
        ):
            return answers.VerdictAnswer(accepted=False)
        case _:
            return answers.EMPTY


def frames(dialect: Dialect, seed: int) -> Iterator[bytes]:
    """Yields a valid call of a random action, then broken in ever worse ways."""
    chance = random.Random(seed)
    action = chance.choice(sorted(dialect.station_actions))
    payload = valid(request_schema(dialect.version, action), chance, fullness=0.7)
    whole = msgspec.json.encode([2, f"id-{seed}", action, payload])
    yield whole
    for _ in range(12):
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(broken))
            match chance.randrange(4):
                case 0:
                    broken[at:at] = chance.choice(PIECES)
                case 1:
                    del broken[at : at + chance.randint(1, 20)]
                case 2:
                    broken[at] = chance.randrange(256)
                case _:
                    del broken[at:]
            broken = broken or bytearray(b"[")
        yield bytes(broken)


@UNDER_TEST
@pytest.mark.parametrize("strict", [False, True])
def test_broken_frames_get_a_sound_answer_or_none(dialect: Dialect, strict: bool) -> None:
    answered = 0
    for seed in range(SEEDS):
        for data in frames(dialect, seed):
            reply = door(dialect, data, strict=strict)
            if reply is not None:
                answered += 1
                kind, message_id, *_ = msgspec.json.decode(reply)
                assert kind in {3, 4}, (seed, data)
                assert len(message_id) > 0, (seed, data)
    assert answered > SEEDS


@UNDER_TEST
def test_random_bytes_and_random_json_break_nothing(dialect: Dialect) -> None:
    chance = random.Random(5)
    for _ in range(2000):
        length = chance.randint(0, 60)
        parts = [
            chance.choice([2, 3, 4, 5, 6, -1, 2.0, None, "x", "ours", {}, []]) for _ in range(5)
        ]
        for data in (
            b"".join(chance.choice(PIECES) for _ in range(length)),
            chance.randbytes(length),
            msgspec.json.encode(parts[: chance.randint(0, 5)]),
        ):
            reply = door(dialect, data, strict=False)
            assert reply is None or msgspec.json.decode(reply)[0] == 4, data


@UNDER_TEST
@pytest.mark.parametrize("action", ["MeterValues", "StopTransaction", "TransactionEvent"])
def test_no_single_fault_costs_a_station_its_data(dialect: Dialect, action: str) -> None:
    if action not in dialect.station_actions:
        other = "MeterValues" if dialect.version != "1.6" else "StopTransaction"
        assert other in dialect.station_actions
        return
    root = request_schema(dialect.version, action)
    document = valid(root, random.Random(2), fullness=1.0)
    for _pointer, _keyword, mutant in mutants(root, document):
        raw = msgspec.json.encode(mutant)
        heard = dialect.hear(action, raw, "CP-1", NOW, strict=False, accepted=True)
        assert isinstance(heard, Understood), (mutant, heard)
        if isinstance(heard.fact, facts.Quarantined):
            assert heard.fact.raw == raw
        assert dialect.answer(heard.fact, answers.EMPTY) == b"{}"


def test_a_frame_of_megabytes_of_blanks_or_brackets_is_judged_in_no_time() -> None:
    for data in (
        b'[2,"a","Heartbeat",{' + b" " * 2_000_000,
        b'[2,"a","MeterValues",{' + b'"' * 1_000_001,
        b"[" * 2_000_000,
        b'[2,"' + b"a" * 2_000_000,
        b'[2,"a","MeterValues",{"a":"' + b"\\" * 1_000_001,
    ):
        for dialect in DIALECTS:
            reply = door(dialect, data, strict=False)
            # Meter values are kept as they came, and never refused.
            assert reply is None or msgspec.json.decode(reply)[0] in {3, 4}
        assert frame.poison(data) is not None
