"""The steps of a check that only ask: connection, settings, status, meter, clock, safe limit."""

from __future__ import annotations

from datetime import datetime

from csms.checks.queries.checks import Place, told_settings
from csms.checks.reactions.talk import Talk
from csms.checks.rules import judging
from csms.checks.rules.judging import Asked, Sample
from csms.checks.rules.methods import Method, methods, words_of
from csms.checks.rules.settings import SETTINGS, judge_settings
from csms.stations.reactions import safe_limit
from models.commands import ReadVariables, TriggerMessage
from models.tables.charging import ChargingLimit
from models.tables.stations import Station

_IS_16 = "ocpp1.6"


async def look(talk: Talk) -> Sample | None:
    """Takes the steps; returns what the meter has shown, if it was willing to."""
    place = await talk.place()
    station = place.station
    await talk.keep(
        judging.judge_connection(
            vendor=station.vendor,
            model=station.model,
            firmware=station.firmware_version,
            version=station.ocpp_version,
            profile=station.security_profile,
            booted_at=station.booted_at,
        )
    )
    await _settings(talk, station)
    offset_s = await _status(talk, place)
    sample = await _meter(talk, place)
    marks = () if sample is None else sample.suspect
    if sample is not None:
        offset_s = (sample.measured_at - sample.received_at).total_seconds()
    await talk.keep(judging.judge_clock(offset_s, marks))
    await _safe_limit(talk, place)
    return sample


async def _settings(talk: Talk, station: Station) -> None:
    is_16 = station.ocpp_version == _IS_16
    wishes = (each.wish(is_16=is_16) for each in SETTINGS.values())
    order = ReadVariables(names=tuple(each for each in wishes if each is not None))
    asked, _ = await talk.ask("its settings", order)
    async with talk.db.read() as session:
        told = await told_settings(session, station.identity, is_16=is_16)
    record = frozenset[str](() if station.strict else station.quirks)
    await talk.keep(judge_settings(told, record, is_16=is_16, answer=asked.answer))


async def _status(talk: Talk, place: Place) -> float | None:
    """Asks for a status; returns how far the clock that dates it is ahead of ours, in s."""
    plugs = [each for each in place.connectors if each.connector_id > 0]
    plug = plugs[0].connector_id if plugs else 1
    before = plugs[0].status_at if plugs else None
    order = TriggerMessage(
        message="StatusNotification", evse_id=talk.task.evse_id, connector_id=plug
    )
    asked, _ = await talk.ask("TriggerMessage StatusNotification", order)
    until = talk.clock.now() + talk.pace.say_within
    status, status_at, came = None, None, False
    while asked.accepted and not came and talk.clock.now() < until:
        now = await talk.place()
        found = next((each for each in now.connectors if each.connector_id == plug), None)
        if found is not None and found.status_at != before:
            status, status_at, came = found.status, found.status_at, True
        else:
            await talk.pause(talk.pace.look_every)
    await talk.keep(judging.judge_status(asked, came=came, status=status))
    return None if status_at is None else (status_at - talk.clock.now()).total_seconds()


async def _meter(talk: Talk, place: Place) -> Sample | None:
    """Asks for a meter value; returns it."""
    since = talk.clock.now()
    asked = await ask_meter(talk)
    ocpp_id = place.transaction and place.transaction.ocpp_transaction_id
    sample = await _first_sample(talk, asked, ocpp_id, since)
    setting = SETTINGS["measurands"].name(is_16=place.station.ocpp_version == _IS_16)
    await talk.keep(judging.judge_meter(asked, sample, measurands=setting))
    return sample


async def ask_meter(talk: Talk) -> Asked:
    """Asks for a meter value of the EVSE."""
    order = TriggerMessage(message="MeterValues", evse_id=talk.task.evse_id)
    asked, _ = await talk.ask("TriggerMessage MeterValues", order)
    return asked


async def _first_sample(
    talk: Talk, asked: Asked, ocpp_id: str | None, since: datetime
) -> Sample | None:
    until = talk.clock.now() + talk.pace.say_within
    while talk.clock.now() < until and (asked.accepted or ocpp_id is not None):
        found = await talk.samples(ocpp_id, since)
        if found:
            return found[-1]
        await talk.pause(talk.pace.look_every)
    return None


async def _safe_limit(talk: Talk, place: Place) -> None:
    """Looks what became of the safe limit; where it was refused, tries other ways to say it."""
    state = None if place.safe is None else place.safe.state
    tries: list[tuple[Method, Asked]] = []
    limit_w = place.station.safe_limit_w
    if limit_w is not None and place.safe is not None and state == "rejected":
        for method in _ways(place):
            order = safe_limit(
                limit_w, evses=place.outlets, phases=place.evse.phases, quirks=method
            )
            words = f"SetChargingProfile as a default, {words_of(method)}"
            asked, _ = await talk.ask(words, order)
            tries.append((method, asked))
            if asked.accepted:
                await _mark_taken(talk, place.safe)
            if asked.accepted or asked.answer == "unknown":
                break
    await talk.keep(judging.judge_safe_limit(limit_w, state, tries))


def _ways(place: Place) -> list[Method]:
    """Returns the ways to say a safe limit; one outlet can be named, several can not."""
    record = frozenset[str](place.station.quirks)
    plain = methods(record, transaction=False, strict=place.station.strict)
    if place.outlets != 1 or place.station.strict or "conn0-rejected" in record:
        return list(plain)
    return [*plain, *(("conn0-rejected", *method) for method in plain)]


async def _mark_taken(talk: Talk, limit: ChargingLimit) -> None:
    """Writes down that the box holds a safe limit after all."""
    async with talk.db.write(talk.clock, talk.ids, actor="checks", tenant=talk.task.tenant) as work:
        row = await work.session.get(ChargingLimit, limit.id)
        if row is not None and row.state == "rejected":
            row.state = "accepted"
            row.settled_at = work.now
            row.detail = "taken in another way"
