"""Where facts go: THE table of which feature decides about which type of fact.

Only stations that are accepted are heard. What a station says that waits for approval, or that
nobody knows, is answered and not kept, save its Boot, and what concerns the door itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from csms.billing.intake import SettlementDecider, TariffsDecider, VatDecider
from csms.charging.intake.held import (
    HELD,
    HeldLimitsDecider,
    OutsideLimitDecider,
    forget_held,
)
from csms.charging.intake.readings import ReadingsDecider, TokenDecider
from csms.charging.intake.transactions import TransactionDecider, reserve_numbers
from csms.config import OPERATOR_NAME
from csms.customers.intake import CustomerDecider
from csms.diagnostics.intake import EventsDecider, MonitorsDecider, WithEvents
from csms.displays.intake import (
    MESSAGES,
    DisplayAnswerDecider,
    DisplaysDecider,
    forget_displays,
)
from csms.event_streams.intake import (
    AdjustedDecider,
    ClosedDecider,
    ListedDecider,
    OpenedDecider,
    ValuesDecider,
)
from csms.fleet.intake import PlugDecider
from csms.grid.intake import (
    AlarmDecider,
    ReportDecider,
    StartStopDecider,
)
from csms.grid.intake import AnsweredDecider as DerAnsweredDecider
from csms.inquiries.intake import AnsweredDecider as InquiryAnsweredDecider
from csms.inquiries.intake import WithParts
from csms.ledger.batch import Batch, Decider, MessageNote
from csms.ledger.committer import Committer, Done
from csms.needs.intake import NeedsDecider
from csms.needs.intake import ScheduleDecider as CarScheduleDecider
from csms.planning.intake import PriorityDecider, ScheduleDecider, ScheduleToldDecider
from csms.reconciliation.intake import CheckDecider
from csms.reservations.intake import (
    ReservationDecider,
    ReservedConnectors,
    ReservedTransactions,
    ReservingAnswers,
)
from csms.security.intake import (
    CertificateRequestDecider,
    CertificateSeenDecider,
    LoginDecider,
)
from csms.stations.intake import (
    BRIEFS,
    BootDecider,
    CaughtUpDecider,
    CommandSentDecider,
    CommandSettledDecider,
    ConnectionDecider,
    DataDecider,
    HeartbeatDecider,
    NoteDecider,
    QuarantineDecider,
    SecurityDecider,
    SeenDecider,
    VariablesDecider,
)
from csms.swapping.intake import SwapDecider
from csms.trust.intake import CertificateDecider, ChainDecider, ContractDecider
from csms.updates.intake.notices import NoticeDecider
from csms.updates.intake.publishing import PublishDecider
from models.answers import (
    EMPTY,
    Answer,
    DataAnswer,
    ScheduleAnswer,
    SettlementAnswer,
    SigningAnswer,
    TokenAnswer,
    TransactionAnswer,
    VatAnswer,
    VerdictAnswer,
)
from models.facts import (
    BootReported,
    CertificatePresented,
    CertificateRequested,
    CommandSent,
    CommandSettled,
    ConnectionChanged,
    ConnectorReported,
    DataReceived,
    EventsReported,
    Fact,
    FirmwareReported,
    HeartbeatReported,
    LoginProved,
    LogReported,
    MonitorsReported,
    NoteReported,
    Quarantined,
    ReadingsReported,
    ReservationReported,
    SecurityReported,
    StationCaughtUp,
    StationsSeen,
    TokenPresented,
    TransactionReported,
    VariablesReported,
)
from models.facts.checks import TransactionChecked
from models.facts.customers import CustomerTold
from models.facts.displays import DisplayAnswered, DisplaysReported
from models.facts.event_streams import (
    StreamAdjusted,
    StreamClosed,
    StreamOpened,
    StreamsListed,
    StreamValuesReported,
)
from models.facts.grid import (
    DerAlarmReported,
    DerControlAnswered,
    DerControlsReported,
    DerStartStopReported,
)
from models.facts.held_limits import (
    HeldLimitsReported,
    OutsideLimitCleared,
    OutsideLimitReported,
)
from models.facts.inquiries import InquiryAnswered
from models.facts.needs import CarScheduleReported, NeedsReported
from models.facts.payments import SettlementReported, TariffsTold, VatNumberPresented
from models.facts.priorities import PriorityReported, SchedulePulled, ScheduleTold
from models.facts.publishing import PublishAnswered, PublishReported, Unpublished
from models.facts.swapping import BatterySwapped
from models.facts.trust import CertificateChainAsked, CertificateStatusAsked, ContractAsked
from models.tables.diagnostics import LogNotice
from models.tables.updates import FirmwareNotice

F = TypeVar("F", bound=Fact)
_WANT_A_VERDICT = (
    CarScheduleReported,
    CertificateChainAsked,
    CertificateStatusAsked,
    ContractAsked,
    NeedsReported,
    StreamOpened,
)


class Accepted(Generic[F]):
    """Lets a decider see only what accepted stations say; the others are told a polite no."""

    def __init__(self, decider: Decider[F], *, pending_too: bool = False) -> None:
        """Takes the decider; `pending_too`: stations that wait say this only if we have asked."""
        self._decider = decider
        self._heard = {"accepted", "pending"} if pending_too else {"accepted"}

    def load(self, batch: Batch, facts: Sequence[F]) -> None:
        """Fetches the stations, and what the decider needs for the accepted ones."""
        stations = batch.rows(BRIEFS)
        stations.load(fact.station for fact in facts)
        heard = [fact for fact in facts if self._hears(batch, fact)]
        if heard:
            self._decider.load(batch, heard)

    def decide(self, batch: Batch, fact: F, note: MessageNote | None) -> Answer:
        """Hands the fact on, or turns it away without keeping anything."""
        if self._hears(batch, fact):
            return self._decider.decide(batch, fact, note)
        batch.keep_out_of_log()
        return _turned_away(batch, fact)

    def _hears(self, batch: Batch, fact: F) -> bool:
        station = batch.rows(BRIEFS).get(fact.station)
        return station is not None and station.approval in self._heard


def _turned_away(batch: Batch, fact: Fact) -> Answer:
    if isinstance(fact, TransactionReported):
        numbered = fact.scheme == "1.6" and fact.kind == "started"
        return TransactionAnswer(
            # The protocol wants a number; this one is never given to anybody else.
            reserve_numbers(batch, 1) if numbered else None,
            token_status="Invalid" if fact.id_token is not None else None,
        )
    if isinstance(fact, _WANT_A_VERDICT):
        return VerdictAnswer(accepted=False)
    return _NO.get(type(fact), EMPTY)


_NO: Mapping[type[Fact], Answer] = {
    TokenPresented: TokenAnswer("Invalid"),
    DataReceived: DataAnswer("Rejected"),
    CertificateRequested: SigningAnswer(accepted=False),
    SchedulePulled: ScheduleAnswer(why="the station is not accepted here"),
    SettlementReported: SettlementAnswer(),
    VatNumberPresented: VatAnswer(accepted=False, why="the station is not accepted here"),
}
"""What a station is told that is not accepted."""


def deciders(operator_name: str = OPERATOR_NAME) -> Mapping[type[Any], Decider[Any]]:
    """Returns the table.

    Args:
        operator_name: as the settings have it.
    """
    return {
        BootReported: BootDecider(),
        ConnectionChanged: ConnectionDecider(),
        StationCaughtUp: CaughtUpDecider(),
        ConnectorReported: Accepted(WithEvents(ReservedConnectors(PlugDecider()))),
        HeartbeatReported: HeartbeatDecider(),
        StationsSeen: SeenDecider(),
        TokenPresented: Accepted(TokenDecider()),
        TransactionReported: Accepted(ReservedTransactions(TransactionDecider())),
        ReadingsReported: Accepted(ReadingsDecider()),
        ReservationReported: Accepted(ReservationDecider()),
        VariablesReported: Accepted(WithParts(VariablesDecider()), pending_too=True),
        DataReceived: Accepted(DataDecider()),
        FirmwareReported: Accepted(NoticeDecider(FirmwareNotice, "firmware.reported")),
        LogReported: Accepted(NoticeDecider(LogNotice, "station_log.reported")),
        MonitorsReported: Accepted(MonitorsDecider()),
        EventsReported: Accepted(EventsDecider()),
        TransactionChecked: Accepted(CheckDecider()),
        CustomerTold: Accepted(CustomerDecider()),
        DisplaysReported: Accepted(DisplaysDecider()),
        DisplayAnswered: Accepted(DisplayAnswerDecider()),
        HeldLimitsReported: Accepted(HeldLimitsDecider()),
        OutsideLimitReported: Accepted(OutsideLimitDecider()),
        OutsideLimitCleared: Accepted(OutsideLimitDecider()),
        InquiryAnswered: Accepted(
            InquiryAnsweredDecider(
                {"displays": (MESSAGES, forget_displays), "limits": (HELD, forget_held)}
            )
        ),
        PublishReported: Accepted(PublishDecider()),
        PublishAnswered: Accepted(PublishDecider()),
        Unpublished: Accepted(PublishDecider()),
        SettlementReported: Accepted(SettlementDecider()),
        VatNumberPresented: Accepted(VatDecider()),
        TariffsTold: Accepted(TariffsDecider()),
        PriorityReported: Accepted(PriorityDecider()),
        SchedulePulled: Accepted(ScheduleDecider()),
        ScheduleTold: Accepted(ScheduleToldDecider()),
        NoteReported: Accepted(NoteDecider()),
        SecurityReported: SecurityDecider(),
        CertificateRequested: Accepted(CertificateRequestDecider(operator_name)),
        CertificatePresented: CertificateSeenDecider(),
        CertificateStatusAsked: Accepted(CertificateDecider()),
        CertificateChainAsked: Accepted(ChainDecider()),
        ContractAsked: Accepted(ContractDecider()),
        NeedsReported: Accepted(NeedsDecider()),
        CarScheduleReported: Accepted(CarScheduleDecider()),
        DerControlAnswered: Accepted(DerAnsweredDecider()),
        DerControlsReported: Accepted(ReportDecider()),
        DerStartStopReported: Accepted(StartStopDecider()),
        DerAlarmReported: Accepted(AlarmDecider()),
        StreamOpened: Accepted(OpenedDecider()),
        StreamClosed: Accepted(ClosedDecider()),
        StreamAdjusted: Accepted(AdjustedDecider()),
        StreamsListed: Accepted(ListedDecider()),
        StreamValuesReported: Accepted(ValuesDecider()),
        BatterySwapped: Accepted(SwapDecider()),
        LoginProved: LoginDecider(),
        Quarantined: Accepted(QuarantineDecider()),
        CommandSent: CommandSentDecider(),
        CommandSettled: ReservingAnswers(CommandSettledDecider()),
    }


class Intake:
    """The door of the ledger for facts."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    async def submit(self, fact: Fact, note: MessageNote | None = None) -> Answer:
        """Returns the answer to a fact once the fact is durable; see `Committer.submit`."""
        return await self._committer.enqueue(fact, note)

    def enqueue(self, fact: Fact, note: MessageNote | None = None) -> asyncio.Future[Answer]:
        """As `submit`, but returns at once."""
        return self._committer.enqueue(fact, note)

    def hand_in(self, fact: Fact, note: MessageNote | None, done: Done) -> None:
        """As `submit`, for callers that use callbacks."""
        self._committer.hand_in(fact, note, done)
