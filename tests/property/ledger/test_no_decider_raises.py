"""Whatever stations say, in whatever batches: every fact of a known station is decided.

Facts are drawn from small pools, so that they meet: the same transactions, tokens and connectors
again and again, several stations in one batch, with what the gateway tells of them in between. In
every second run another connection writes between batches, so that nothing is known from an earlier
one, as it always is on PostgreSQL.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csms.intake import deciders
from csms.ledger import migrate
from models.companies import Company
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
    MonitorNews,
    MonitorsReported,
    MonitorState,
    NoteReported,
    Quarantined,
    Reading,
    ReadingsReported,
    ReservationReported,
    SecurityReported,
    StationCaughtUp,
    StationEvent,
    StationsSeen,
    TokenPresented,
    TransactionReported,
    VariablesReported,
    VariableState,
)
from models.facts.payments import (
    HeldTariff,
    SettlementReported,
    TariffNews,
    TariffsTold,
    VatNumberPresented,
)
from models.facts.priorities import PriorityReported, SchedulePulled, ScheduleTold
from models.schedules import ScheduleUpdate
from models.tables.billing import Tariff
from models.tables.energy import Site
from models.tables.ledger import Quarantine
from models.tables.stations import Station
from simulators.keys import ask
from tests.builders.any_fact import any_fact
from tests.builders.reservations import a_reservation
from tests.builders.small_house import NOON, SmallHouse

STATIONS = st.sampled_from(["A-1", "A-1", "A-1", "A-2", "pending", "nobody"])
TOKENS = st.sampled_from([None, "CAR-1", "ANNA", "NOBODY"])
NUMBERS = st.sampled_from(["1", "2", "-1", "", "tx-a"])
EVSES = st.sampled_from([0, 1, 2])
TIMES = st.one_of(
    st.integers(-7200, 600).map(lambda seconds: NOON + timedelta(seconds=seconds)),
    st.sampled_from([datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]),
)
REGISTERS = st.one_of(st.none(), st.sampled_from([0.0, 100.0, 5000.0, -3.0, 1e18]))
READINGS = st.lists(
    st.builds(
        Reading,
        TIMES,
        context=st.sampled_from(["Sample.Periodic", "Transaction.End"]),
        energy_wh=REGISTERS,
        power_w=st.sampled_from([None, 0.0, 3700.0]),
        soc_pct=st.sampled_from([None, 0.0, 55.5, 100.0, 250.0]),
        other=st.sampled_from([None, {"Frequency": 50.0}]),
    ),
    max_size=3,
).map(tuple)
COMMON: dict[str, Any] = {"station": STATIONS, "received_at": st.just(NOON)}
POWER = VariableState(name="Power", component="EVSE", evse_id=1, value="3700.0")
MONITORS = [
    MonitorState(monitor_id=n, variable=POWER, kind="UpperThreshold", value=1e18, severity=n)
    for n in (1, 2, -1)
]
NOTICED = [
    StationEvent(
        event_id=n,
        measured_at=at,
        variable=POWER,
        trigger="Alerting",
        notification="CustomMonitor",
        monitor_id=n,
    )
    for n in (1, 2, -1)
    for at in (NOON, datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
]
COMPANY = Company(name="Acme", address1="Ring 1", city="Wien", country="AT")
HELD = [
    HeldTariff(tariff_id=name, kind="DefaultTariff", evse_ids=evses)
    for name in ("day", "night")
    for evses in ((), (1,), (1, 2, 10**12))
]
PROFILES = st.sampled_from([11, 21, 77, -1, 2**63 - 1])
COMMAND_IDS = st.sampled_from(["c-1", "c-2"])


def transactions(scheme: str) -> st.SearchStrategy[Fact]:
    mine = scheme == "1.6"
    return st.builds(
        TransactionReported,
        **COMMON,
        scheme=st.just(scheme),
        kind=st.sampled_from(["started", "ended"] if mine else ["started", "updated", "ended"]),
        measured_at=TIMES,
        ocpp_transaction_id=NUMBERS,
        evse_id=EVSES if mine else st.one_of(st.none(), EVSES),
        id_token=TOKENS,
        meter_wh=REGISTERS if mine else st.none(),
        readings=READINGS,
        seq_no=st.none() if mine else st.integers(0, 3),
        reservation_id=st.sampled_from([None, 1, 2, -1, 2**63]),
        remote_start_id=st.none() if mine else st.sampled_from([None, 7]),
        suspect=st.sampled_from([(), ("time-implausible",), ("schema",)]),
    )


FACTS: dict[type[Fact], st.SearchStrategy[Fact]] = {
    BootReported: st.builds(BootReported, **COMMON, vendor=st.just("V"), model=st.just("M")),
    HeartbeatReported: st.builds(HeartbeatReported, **COMMON),
    FirmwareReported: st.builds(
        FirmwareReported,
        **COMMON,
        status=st.sampled_from(["Downloading", "Installed", "Idle"]),
        request_id=st.sampled_from([None, 1, -(2**63), 2**63 - 1]),
    ),
    ConnectorReported: st.builds(
        ConnectorReported,
        **COMMON,
        evse_id=EVSES,
        connector_id=st.sampled_from([0, 1]),
        status=st.sampled_from(["Available", "Charging", "Faulted"]),
        measured_at=TIMES,
    ),
    TokenPresented: st.builds(
        TokenPresented, **COMMON, scheme=st.just("1.6"), id_token=TOKENS.map(lambda t: t or "x")
    ),
    TransactionReported: st.one_of(transactions("1.6"), transactions("2.x")),
    ReadingsReported: st.builds(
        ReadingsReported,
        **COMMON,
        scheme=st.just("1.6"),
        evse_id=EVSES,
        ocpp_transaction_id=st.one_of(st.none(), NUMBERS),
        readings=READINGS,
    ),
    ReservationReported: st.builds(
        ReservationReported,
        **COMMON,
        reservation_id=st.sampled_from([1, 2, 3, -1, 2**63]),
        update=st.sampled_from(["Expired", "Removed", "NoTransaction"]),
    ),
    VariablesReported: st.builds(
        VariablesReported, **COMMON, variables=st.just((VariableState(name="a", value="1"),) * 2)
    ),
    DataReceived: st.builds(DataReceived, **COMMON, vendor_id=st.just("v")),
    LogReported: st.builds(
        LogReported,
        **COMMON,
        status=st.sampled_from(["Idle", "Uploading", "Uploaded"]),
        request_id=st.sampled_from([None, 1, -1, 2**63 - 1]),
    ),
    MonitorsReported: st.builds(
        MonitorsReported,
        **COMMON,
        news=st.builds(
            MonitorNews,
            monitors=st.lists(st.sampled_from(MONITORS), max_size=3).map(tuple),
            gone=st.lists(st.sampled_from([1, 2, -1]), max_size=2).map(tuple),
            request_id=st.sampled_from([None, 1, -1, 2**63 - 1, int(NOON.timestamp())]),
        ),
    ),
    EventsReported: st.builds(
        EventsReported, **COMMON, events=st.lists(st.sampled_from(NOTICED), max_size=3).map(tuple)
    ),
    SettlementReported: st.builds(
        SettlementReported,
        **COMMON,
        psp_ref=st.sampled_from(["p-1", "p-2"]),
        status=st.sampled_from(["Settled", "Failed"]),
        amount=st.sampled_from([Decimal("1.5"), Decimal(-(10**12))]),
        settled_at=TIMES,
        ocpp_transaction_id=st.one_of(st.none(), NUMBERS),
        receipt_id=st.sampled_from([None, "R-1"]),
        vat_number=st.sampled_from([None, "ATU13585627"]),
        company=st.sampled_from([None, COMPANY]),
    ),
    VatNumberPresented: st.builds(
        VatNumberPresented,
        **COMMON,
        vat_number=st.sampled_from(["ATU13585627", "", "?"]),
        evse_id=st.one_of(st.none(), EVSES),
    ),
    TariffsTold: st.builds(
        TariffsTold,
        **COMMON,
        news=st.builds(
            TariffNews,
            held=st.lists(st.sampled_from(HELD), max_size=3).map(tuple),
            wished=st.booleans(),
            refused=st.sampled_from([None, "Rejected"]),
            gone=st.lists(st.sampled_from(["day", "ghost"]), max_size=2).map(tuple),
            all_gone=st.booleans(),
            whole_of=st.sampled_from([None, 0, 1]),
        ),
    ),
    PriorityReported: st.builds(
        PriorityReported, **COMMON, ocpp_transaction_id=NUMBERS, activated=st.booleans()
    ),
    SchedulePulled: st.builds(SchedulePulled, **COMMON, profile_id=PROFILES),
    ScheduleTold: st.builds(
        ScheduleTold,
        **COMMON,
        profile_id=PROFILES,
        evse_id=st.one_of(st.none(), EVSES),
        update=st.just(ScheduleUpdate(limit=1e18, setpoint_l2=-3.0)),
        refused=st.sampled_from([None, "Rejected"]),
    ),
    NoteReported: st.builds(NoteReported, **COMMON, action=st.just("x"), payload=st.just(b"{}")),
    SecurityReported: st.builds(
        SecurityReported, **COMMON, kind=st.just("Tamper"), measured_at=TIMES
    ),
    Quarantined: st.builds(
        Quarantined, **COMMON, action=st.just("x"), raw=st.just(b"\x00"), reason=st.just("why")
    ),
    ConnectionChanged: st.builds(
        ConnectionChanged, **COMMON, online=st.booleans(), epoch=st.integers(0, 3)
    ),
    StationCaughtUp: st.builds(StationCaughtUp, **COMMON, epoch=st.integers(0, 3)),
    StationsSeen: st.builds(
        StationsSeen,
        station=st.just("node-1"),
        received_at=st.just(NOON),
        seen=st.just(tuple((each, NOON) for each in ("A-1", "A-2", "gone"))),
    ),
    CertificateRequested: st.builds(
        CertificateRequested,
        **COMMON,
        request=st.sampled_from(["", "x\0", *(ask(n, "Heliofleet").csr for n in ("A-1", "A-2"))]),
        purpose=st.sampled_from(["station", "vehicle"]),
        request_id=st.sampled_from([None, 7]),
    ),
    CertificatePresented: st.builds(
        CertificatePresented,
        **COMMON,
        fingerprint=st.sampled_from(["aa", "bb"]),
        serial=st.just("1"),
        issuer=st.just("CN=x"),
        pem=st.just("pem"),
        not_before=TIMES,
        not_after=TIMES,
    ),
    LoginProved: st.builds(
        LoginProved, **COMMON, security_profile=st.integers(0, 3), next_password=st.booleans()
    ),
    CommandSent: st.builds(CommandSent, **COMMON, command_id=COMMAND_IDS, epoch=st.integers(0, 3)),
    CommandSettled: st.builds(
        CommandSettled,
        **COMMON,
        command_id=COMMAND_IDS,
        state=st.sampled_from(["answered", "failed", "unknown"]),
    ),
}
# Whatever no strategy was written for is made of any values that its fields take.
FACTS |= {kind: any_fact(kind, TIMES, **COMMON) for kind in deciders() if kind not in FACTS}
LIKELY = (TransactionReported, TransactionReported, ReadingsReported, ConnectorReported)
BATCHES = st.lists(
    st.lists(st.one_of(*FACTS.values(), *(FACTS[kind] for kind in LIKELY)), min_size=1, max_size=5),
    min_size=1,
    max_size=8,
)


def test_facts_of_all_types_are_tried() -> None:
    assert FACTS.keys() == deciders().keys()


@pytest.fixture(scope="module")
def template() -> Path:
    """A furnished house's database to copy."""
    path = Path(tempfile.mkdtemp(prefix="heliofleet-deciders-")) / "template.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@given(batches=BATCHES, forget=st.booleans())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_fact_of_a_known_station_is_decided(
    template: Path, batches: Sequence[Sequence[Fact]], forget: bool
) -> None:
    asyncio.run(play(template, batches, forget=forget))


async def with_tariff(house: SmallHouse) -> None:
    """Prices all that charges at A-1 and A-2, as dearly as it goes."""
    dear = Decimal("999999999.999999999")
    night = {"energy_price_per_kwh": "0.1", "start_time": "22:00", "end_time": "06:00"}
    tariff = Tariff(
        id="day",
        name="Day",
        currency="EUR",
        energy_price_per_kwh=dear,
        charging_price_per_hour=dear,
        idle_price_per_hour=dear,
        fixed_fee=dear,
        elements=[night],
        tell_cost="running",
        cost_step_wh=100.0,
        cost_interval_s=60,
        created_at=NOON,
        updated_at=NOON,
    )
    await house.add(tariff)
    async with house.db.write(house.clock, house.ids) as work:
        site = await work.session.get_one(Site, "A")
        site.tariff_id, site.master_pass, site.plug_and_charge = "day", "CREW", True


async def play(template: Path, batches: Sequence[Sequence[Fact]], *, forget: bool) -> None:
    house = SmallHouse("sqlite://", inline=True)
    shutil.copy(template, house.db.path)
    await house.start()
    try:
        await house.furnish()
        for number, token in enumerate(("CAR-1", "ANNA"), start=1):
            await house.add(a_reservation(house.clock, number=number, id_token=token))
        await with_tariff(house)
        await house.add(
            Station(identity="pending", approval="pending", created_at=NOON, updated_at=NOON)
        )
        for number, facts in enumerate(batches):
            if forget:
                await house.add(
                    Station(identity=f"other-{number}", created_at=NOON, updated_at=NOON)
                )
            # What is handed in before the committer runs is one batch, but for a station's second.
            await asyncio.gather(*(house.submit(fact) for fact in facts))
        assert {row.reason for row in await house.rows(Quarantine)} <= {"why"}
    finally:
        await house.close()
