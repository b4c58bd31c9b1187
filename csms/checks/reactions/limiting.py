"""The steps of a check that try a limit: set it, read it back, watch the meter, take it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from csms.checks.actions import (
    Held,
    forget_trials,
    keep_back,
    keep_trial,
    order_back,
    trial_limit,
)
from csms.checks.queries.checks import Place, was_replaced
from csms.checks.reactions.looking import ask_meter
from csms.checks.reactions.talk import Talk
from csms.checks.rules import judging
from csms.checks.rules.judging import Asked, Sample, Watched
from csms.checks.rules.methods import (
    AS_DEFAULT,
    DEFAULT_OBEYED,
    Method,
    choose_limit,
    keeps,
    least_w,
    methods,
    words_of,
)
from csms.checks.rules.steps import StepName, skipped
from csms.ledger.work import UnitOfWork
from csms.planning.rules import limit_at, read_periods
from csms.stations.rules import rated_power_w
from models.commands import ReadLimit
from models.tables.charging import ChargingLimit

_READ_AHEAD_S = 300
_NO_CAR = "no car charges: plug in a car and check again"


async def limit(talk: Talk, sample: Sample | None) -> None:
    """Takes the steps; what they leave in the box is `talk.held`.

    Args:
        talk: the check.
        sample: what the meter showed before.
    """
    place = await talk.place()
    charging = place.transaction is not None
    drawn_w = sample.power_w if sample is not None and charging else None
    limit_w = choose_limit(
        wished_w=talk.task.limit_w,
        drawn_w=drawn_w,
        ceiling_w=ceiling_w(place, talk.clock.now()),
        floor_w=least_w(place.evse.min_power_w, place.evse.phases),
        phases=place.evse.phases,
    )
    taken_at = await _set(talk, place, limit_w)
    if taken_at is None:
        await give_back(talk)  # what was met with silence may be in the box
        await _skip(talk, ("read-back", "obeyed", "released"), "no limit was taken")
        return
    await _read_back(talk, place, limit_w)
    if not charging:
        await give_back(talk)
        talk.findings.append(judging.no_car())
        await _skip(talk, ("obeyed", "released"), _NO_CAR)
        return
    blind = judging.not_watched(drawn_w, limit_w)
    if blind is not None or drawn_w is None:
        assert blind is not None
        await talk.keep(blind)
        await give_back(talk)
        await _skip(talk, ("released",), "nothing was to be seen under the limit")
        return
    obeyed = await _obey(talk, place, limit_w, drawn_w, taken_at)
    await give_back(talk)
    if obeyed:
        await _release(talk, place, limit_w, drawn_w)
    else:
        await _skip(talk, ("released",), "the limit was not seen to be kept")


def ceiling_w(place: Place, now: datetime) -> float:
    """Returns the power that an EVSE is held to already, in W: no trial goes above it."""
    rated_w = rated_power_w(place.evse.max_power_w, place.evse.phases)
    if place.plan is not None:
        held_w = limit_at(read_periods(place.plan.periods), now)
        if held_w is not None:
            return min(rated_w, held_w)
    safe_w = place.station.safe_limit_w
    return rated_w if safe_w is None else min(rated_w, safe_w / max(1, place.outlets))


async def _set(talk: Talk, place: Place, limit_w: float) -> datetime | None:
    """Tries to set a limit in one way after the other; returns when it was taken."""
    record = frozenset[str](place.station.quirks)
    ways = methods(record, transaction=place.transaction is not None, strict=place.station.strict)
    tries: list[tuple[Method, Asked]] = []
    taken_at: datetime | None = None
    for method in ways:
        asked = await _try(talk, place, limit_w, method)
        tries.append((method, asked))
        if asked.accepted:
            taken_at = talk.clock.now()
        if asked.accepted or asked.answer == "unknown":
            break
    await talk.keep(judging.judge_limit(limit_w, tries))
    return taken_at


async def _try(talk: Talk, place: Place, limit_w: float, method: Method) -> Asked:
    """Sends a limit in one way; from then on it may be in the box."""

    async def also(work: UnitOfWork, command_id: str) -> None:
        row = keep_trial(work, place, limit_w, command_id)
        talk.held = Held(place, method, row)

    before = talk.held
    order = trial_limit(talk.clock.now(), place, limit_w, method)
    asked, _ = await talk.ask(
        f"SetChargingProfile {limit_w:.0f} W, {words_of(method)}", order, also=also
    )
    if not asked.accepted and asked.answer != "unknown":
        talk.held = before  # what was refused has changed nothing
    return asked


async def _read_back(talk: Talk, place: Place, limit_w: float) -> None:
    order = ReadLimit(evse_id=place.evse.evse_id, duration_s=_READ_AHEAD_S)
    asked, answer = await talk.ask("GetCompositeSchedule", order)
    told = [told_w for start_s, told_w in answer.limits if start_s <= 1]
    await talk.keep(
        judging.judge_read_back(
            asked,
            told[-1] if told else None,
            limit_w=limit_w,
            phases=place.evse.phases,
            charging=place.transaction is not None,
        )
    )


async def _obey(talk: Talk, place: Place, limit_w: float, before_w: float, since: datetime) -> bool:
    """Watches the meter under the limit; a box that does not keep it gets it as a default too."""
    assert talk.held is not None
    method, first = talk.held.method, talk.held.limit
    watched = await _watch_obeyed(talk, limit_w, since)
    taken = judging.reaction(watched, limit_w=limit_w, since=since)
    known = {AS_DEFAULT, DEFAULT_OBEYED} & {*method, *place.station.quirks}
    lies = taken is None and watched.cut_short is None and watched.samples
    if lies and not known and not place.station.strict:
        second = (*method, DEFAULT_OBEYED)
        asked = await _try(talk, place, limit_w, second)
        if asked.accepted:
            method, since = second, talk.clock.now()
            again = await _watch_obeyed(talk, limit_w, since)
            watched = again if again.samples else watched
            taken = judging.reaction(watched, limit_w=limit_w, since=since)
        if taken is not None and first is not None and talk.task.apply:
            await _forgive(talk, first)
    talk.reaction_s = None if taken is None else round(taken.total_seconds(), 1)
    done = judging.judge_obeyed(
        watched,
        limit_w=limit_w,
        before_w=before_w,
        since=since,
        phases=place.evse.phases,
        method=method,
    )
    await talk.keep(done)
    return taken is not None


async def _forgive(talk: Talk, limit: ChargingLimit) -> None:
    """Holds nothing against a box that keeps limits in the way that its record will have.

    Who is caught is planned around for days, and its circuit bears its full power.
    """
    async with talk.db.write(talk.clock, talk.ids, actor="checks", tenant=talk.task.tenant) as work:
        row = await work.session.get(ChargingLimit, limit.id)
        if row is not None and row.state == "disobeyed":
            row.state = "superseded"
            row.detail = "kept once it was sent as a default"


async def _watch_obeyed(talk: Talk, limit_w: float, since: datetime) -> Watched:
    def enough(samples: tuple[Sample, ...]) -> bool:
        seen = Watched(samples)
        return judging.reaction(seen, limit_w=limit_w, since=since) is not None

    held = talk.held.limit if talk.held is not None else None
    return await _watch(talk, held, since, talk.pace.obey_within, enough)


async def _release(talk: Talk, place: Place, limit_w: float, before_w: float) -> None:
    """Watches power rise again."""

    def enough(samples: tuple[Sample, ...]) -> bool:
        powers = [each.power_w for each in samples if each.power_w is not None]
        return any(judging.has_risen(each, limit_w=limit_w, before_w=before_w) for each in powers)

    ceiling = ceiling_w(place, talk.clock.now())
    before_w = min(before_w, ceiling)
    if keeps(before_w, limit_w):
        await _skip(talk, ("released",), "what holds otherwise is no more than the limit was")
        return
    watched = await _watch(talk, None, talk.clock.now(), talk.pace.rise_within, enough)
    await talk.keep(judging.judge_released(watched, limit_w=limit_w, before_w=before_w))


async def _watch(
    talk: Talk,
    held: ChargingLimit | None,
    since: datetime,
    within: timedelta,
    enough: Callable[[tuple[Sample, ...]], bool],
) -> Watched:
    """Watches the meter until it has shown enough, or the time is over."""
    until = talk.clock.now() + within
    asks, found = True, ()
    while True:
        if asks:
            asks = (await ask_meter(talk)).accepted
        await talk.pause(talk.pace.trigger_every)
        place = await talk.place()
        if place.transaction is None:
            return Watched(found, "the transaction has ended meanwhile")
        if held is not None:
            async with talk.db.read() as session:
                if await was_replaced(session, held):
                    return Watched(found, "a plan has limited the EVSE anew meanwhile")
        ocpp_id = place.transaction.ocpp_transaction_id
        samples = await talk.samples(ocpp_id, since)
        found = tuple(each for each in samples if each.power_w is not None)
        if enough(found) or talk.clock.now() >= until:
            return Watched(found)


async def give_back(talk: Talk) -> None:
    """Brings the box back to what it held before, and waits for its word."""
    held = talk.held
    if held is None:
        return

    async def also(work: UnitOfWork, command_id: str) -> None:
        await keep_back(work, held, command_id)
        talk.held = None

    async with talk.db.read() as session:
        order = await order_back(session, held, talk.clock.now())
    if order is not None:
        await talk.ask("what held before", order, also=also)
        return
    station = held.place.station
    async with talk.db.write(talk.clock, talk.ids, actor="checks", tenant=talk.task.tenant) as work:
        await forget_trials(work, station.identity, station.site_id)
    talk.held = None


async def _skip(talk: Talk, steps: tuple[StepName, ...], why: str) -> None:
    for step in steps:
        await talk.keep(skipped(step, why))
