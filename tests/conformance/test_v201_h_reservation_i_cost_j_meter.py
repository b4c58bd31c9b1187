"""OCPP 2.0.1, blocks H, I and J: the certification programme's cases for central systems."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from models.timeline import format_rfc3339
from tests.builders.played_sessions import Session, meter, token_info
from tests.builders.played_station import PlayedStation


async def reserve(cs: PlayedStation, reply: str = "Accepted", **more: Any) -> tuple[str, int]:
    """Asks for a reservation as a user does; returns its path and the station's number of it."""
    cs.replies["ReserveNow"] = {"status": reply}
    until = format_rfc3339(cs.house.clock.now() + timedelta(minutes=10))
    body = {"station": "CP-1", "evse_id": 1, "id_token": "VALID", "expires_at": until} | more
    made = await cs.house.post("/reservations", body)
    sent = await cs.expect("ReserveNow")
    assert sent["idToken"]["idToken"] == "VALID"
    assert sent["groupIdToken"]["idToken"] == "GROUP"
    assert sent.get("evseId") == body["evse_id"]
    return f"/reservations/{made['id']}", sent["id"]


async def used(cs: PlayedStation, path: str, number: int, token: str, evse: int = 1) -> None:
    """A session that uses a reservation up."""
    session = Session(cs, evse=evse)
    answer = await session.tell("Started", "Authorized", token=token, reservationId=number)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    await cs.until(path, state="used")


async def test_tc_h_01_csms_reserve_specific_evse_accepted(cs: PlayedStation) -> None:
    """ReserveNow of an EVSE, Reserved, and the holder's session."""
    path, number = await reserve(cs)
    await cs.status("Reserved")
    assert (await token_info(cs, "VALID"))["status"] == "Accepted"
    await used(cs, path, number, "VALID")


async def told(cs: PlayedStation, number: int, status: str) -> None:
    """The station tells what became of a reservation."""
    payload = {"reservationId": number, "reservationUpdateStatus": status}
    assert await cs.call("ReservationStatusUpdate", payload) == {}


async def test_tc_h_07_csms_reservation_ended_not_used(cs: PlayedStation) -> None:
    """ReservationStatusUpdate: nobody came, and the EVSE is free."""
    path, number = await reserve(cs)
    await cs.status("Reserved")
    await told(cs, number, "Expired")
    await cs.until(path, state="expired")
    await cs.status("Available")


async def test_tc_h_08_csms_reserve_unspecified_evse_accepted(cs: PlayedStation) -> None:
    """ReserveNow of whichever EVSE, and the holder's session."""
    path, number = await reserve(cs, evse_id=None)
    await used(cs, path, number, "VALID", 2)


async def test_tc_h_14_csms_reserve_unspecified_evses_equal_reservations(
    cs: PlayedStation,
) -> None:
    """As many reservations as EVSEs: the station says that both are reserved."""
    for _ in range(2):
        await reserve(cs, evse_id=None)
    for evse in (1, 2):
        await cs.status("Reserved", evse)
        assert await cs.shown(evse) == "Reserved"


async def test_tc_h_15_csms_reserve_a_connector_type(cs: PlayedStation) -> None:
    """ReserveNow of a kind of connector."""
    path, number = await reserve(cs, evse_id=None, connector_type="cType2")
    assert cs.heard[-1][1]["connectorType"] == "cType2"
    await used(cs, path, number, "VALID")


async def test_tc_h_17_csms_cancel_reservation(cs: PlayedStation) -> None:
    """CancelReservation by the reservation's number."""
    path, number = await reserve(cs)
    await cs.status("Reserved")
    await cs.house.post(f"{path}/cancel", None, 200)
    assert await cs.expect("CancelReservation") == {"reservationId": number}
    await cs.until(path, state="cancelled")


async def test_tc_h_19_csms_use_a_reserved_evse_with_group_id(cs: PlayedStation) -> None:
    """Another token of the holder's family may use the reservation."""
    path, number = await reserve(cs)
    assert (await token_info(cs, "SIBLING"))["groupIdToken"]["idToken"] == "GROUP"
    await used(cs, path, number, "SIBLING")


async def test_tc_h_20_csms_station_cancels_reservation_when_faulted(cs: PlayedStation) -> None:
    """ReservationStatusUpdate: the station has removed it, because it is faulted."""
    path, number = await reserve(cs)
    await cs.status("Faulted")
    await told(cs, number, "Removed")
    await cs.until(path, state="lost")


async def test_tc_h_22_csms_reserve_configured_to_reject(cs: PlayedStation) -> None:
    """ReserveNow, answered Rejected; the user is told."""
    path, _ = await reserve(cs, "Rejected")
    await cs.until(path, state="refused", answer="rejected")


async def test_tc_i_01_csms_running_total_cost(cs: PlayedStation) -> None:
    """CostUpdated for a running session: what it costs by the tariff of its site."""
    await with_tariff(cs)
    session = Session(cs)
    await session.charging()
    for energy in (1000, 3500):
        await session.tell("Updated", "MeterValuePeriodic", meterValue=[meter(energy)])
    cs.replies["CostUpdated"] = {}
    path = f"/transactions/{(await session.shown())['id']}"
    await cs.house.post(f"{path}/cost-updates", {}, 200)
    sent = await cs.expect("CostUpdated")
    assert sent == {"totalCost": 1.25, "transactionId": session.name}


async def with_tariff(cs: PlayedStation, **fields: Any) -> None:
    """Gives the station a tariff of 0.50 per kWh."""
    tariff = {"id": "t", "name": "T", "currency": "EUR", "energy_price_per_kwh": "0.50"}
    await cs.house.post("/tariffs", tariff | fields)
    await cs.house.patch("/stations/CP-1", {"tariff_id": "t"})


async def test_tc_i_02_csms_final_total_cost_after_charging(cs: PlayedStation) -> None:
    """The answer to the last event tells what the session has cost, where that is asked for."""
    await with_tariff(cs, tell_cost="end")
    session = Session(cs)
    await session.charging()
    answer = await session.tell("Updated", "MeterValuePeriodic", meterValue=[meter(1000)])
    assert answer == {}
    values = [meter(5000, "Transaction.End")]
    info = {"stoppedReason": "Local"}
    answer = await session.tell("Ended", "StopAuthorized", info=info, meterValue=values)
    assert answer["totalCost"] == 2.0
    assert (await session.shown())["cost"] == "2.00"


CLOCK = "Sample.Clock"
SIGNED = {
    "signedMeterValue": {
        "signedMeterData": "c2lnbmVk",
        "signingMethod": "ECDSA",
        "encodingMethod": "OCMF",
        "publicKey": "a2V5",
    }
}


async def readings(cs: PlayedStation) -> list[Any]:
    """Returns what the house shows as the readings of the one transaction."""
    (transaction,) = await cs.transactions()
    return (await cs.house.get(f"/transactions/{transaction['id']}/meter-values"))["items"]


async def test_tc_j_01_csms_clock_aligned_no_transaction(cs: PlayedStation) -> None:
    """MeterValues at round times, of EVSEs and of the station's main meter."""
    for evse in (0, 1, 2):
        payload = {"evseId": evse, "meterValue": [meter(1000, CLOCK)]}
        assert await cs.call("MeterValues", payload) == {}


async def updated(cs: PlayedStation, context: str, **more: Any) -> None:
    """A session in which two readings are told; the house shows both and counts the energy."""
    session = Session(cs)
    await session.charging()
    trigger = "MeterValueClock" if context == CLOCK else "MeterValuePeriodic"
    for energy in (1000, 1400):
        await session.tell("Updated", trigger, meterValue=[meter(energy, context, **more)])
    assert (await session.shown())["energy_wh"] == 400
    assert {1000, 1400} <= {each["energy_wh"] for each in await readings(cs)}


async def test_tc_j_02_csms_clock_aligned_transaction_ongoing(cs: PlayedStation) -> None:
    """Readings at round times in TransactionEvents."""
    await updated(cs, CLOCK)


async def finished(cs: PlayedStation, context: str) -> None:
    """A session whose readings come with its end."""
    session = Session(cs)
    await session.charging()
    values = [
        meter(1000, "Transaction.Begin"),
        meter(1700, context),
        meter(1900, "Transaction.End"),
    ]
    shown = await session.over("StopAuthorized", "Local", meterValue=values)
    assert shown["energy_wh"] == 900


async def test_tc_j_03_csms_clock_aligned_ended(cs: PlayedStation) -> None:
    """Readings at round times that come with the end."""
    await finished(cs, CLOCK)


async def test_tc_j_04_csms_clock_aligned_signed(cs: PlayedStation) -> None:
    """Signed readings at round times."""
    await updated(cs, CLOCK, **SIGNED)


async def test_tc_j_07_csms_sampled_started_evse_known(cs: PlayedStation) -> None:
    """A reading with the first event."""
    session = Session(cs)
    values = [meter(1000, "Transaction.Begin")]
    await session.tell("Started", "CablePluggedIn", meterValue=values)
    assert (await session.shown())["meter_start_wh"] == 1000


async def test_tc_j_08_csms_sampled_begin_evse_not_known(cs: PlayedStation) -> None:
    """A session that begins without an EVSE, which comes with the reading of its begin."""
    session = Session(cs)
    token = {"idToken": "VALID", "type": "ISO14443"}
    first = {
        "eventType": "Started",
        "timestamp": meter(0)["timestamp"],
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": session.name},
        "idToken": token,
    }
    answer = await cs.call("TransactionEvent", first)
    assert answer["idTokenInfo"]["status"] == "Accepted"
    values = [meter(1000, "Transaction.Begin")]
    where = {"id": 1, "connectorId": 1}
    await session.tell("Updated", "CablePluggedIn", seqNo=1, evse=where, meterValue=values)
    shown = await session.shown()
    assert (shown["evse_id"], shown["meter_start_wh"]) == (1, 1000)


async def test_tc_j_09_csms_sampled_updated(cs: PlayedStation) -> None:
    """Readings of a running session."""
    await updated(cs, "Sample.Periodic")


async def test_tc_j_10_csms_sampled_ended(cs: PlayedStation) -> None:
    """Readings that come with the end."""
    await finished(cs, "Sample.Periodic")


async def test_tc_j_11_csms_sampled_signed(cs: PlayedStation) -> None:
    """Signed readings of a running session."""
    await updated(cs, "Sample.Periodic", **SIGNED)
