"""The conductor of campaigns: lets stations begin, wave after wave, and sees what becomes of it.

All that it knows is rows. Whatever may matter to a campaign (an update has ended, a station has
come, a transaction is over, an instant has come) makes it look at the campaigns that go on, by the
rules in `csms.updates.rules.campaigns`; so a restart in the middle changes nothing. Many events in
a row are one look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import sqlalchemy as sa
import structlog

from csms.bus.base import EventNote
from csms.ledger.database import Database
from csms.ledger.work import UnitOfWork
from csms.updates.actions import ORDER_EXPIRES_S, announce_campaign, request_update, touch
from csms.updates.queries import (
    ConfigurationChange,
    FirmwareChange,
    Setting,
    campaign_state,
    change_of,
    member_state,
    members_of,
    update_result,
    views_of,
    write_result,
)
from csms.updates.rules.campaigns import Judged, View, judge
from models.alarm import Alarm
from models.clocks import Activity, Clock
from models.commands import VariableWrite, WriteVariables
from models.commands.base import VariableName
from models.errors import BadInput, Conflict
from models.ids import IdMaker
from models.tables.base import Base
from models.tables.ledger import Command
from models.tables.stations import Station
from models.tables.updates import Campaign, CampaignStation, FirmwareUpdate

RETRY = timedelta(minutes=1)
"""After how long a look that has failed is tried again."""
_GOING = frozenset({"waiting", "running"})
_CAMPAIGNS = frozenset({"campaign.created", "campaign.resumed", "campaign.aborted"})

_log = structlog.get_logger("campaigns")


class _Note(msgspec.Struct):
    """What this module reads of a resource: which station it is about, and what was ordered."""

    station: str = ""
    kind: str = ""


class Conductor:
    """Conducts all campaigns that are not over."""

    follows = frozenset(
        {
            "firmware_update.ended",
            "station.caught_up",
            "station.deleted",
            "transaction.ended",
            "command.answered",
            "command.failed",
            *_CAMPAIGNS,
        }
    )

    def __init__(self, *, db: Database, clock: Clock, ids: IdMaker, activity: Activity) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids
        self._going_on: dict[str, str] = {}
        """The tenants of the campaigns that are not over, by campaign."""
        self._stations: dict[str, frozenset[str]] = {}
        """Of each campaign those that wait or are under way: others need no look."""
        self._due: set[str] = set()
        self._turn = asyncio.Lock()
        self._alarm = Alarm(self._ring, clock=clock, activity=activity, name="campaigns")

    async def start(self) -> None:
        """Goes on with the campaigns of a former process."""
        query = sa.select(Campaign.id, Campaign.tenant_id).where(Campaign.ended_at.is_(None))
        async with self._db.read() as session:
            for campaign_id, tenant in await session.execute(query):
                self._going_on[campaign_id] = tenant
        if self._going_on:
            self._alarm.set(self._clock.now())

    async def stop(self) -> None:
        """Stops; campaigns go on when it starts again."""
        await self._alarm.stop()

    async def heard(self, note: EventNote) -> None:
        """Takes note of one of the events that `follows` names."""
        kind, _, name = note.subject.partition("/")
        if note.type in _CAMPAIGNS:
            self._going_on[name] = note.tenant
            self._due.add(name)
        elif not self._going_on:
            return
        elif kind == "station":
            self._mark(name)
        else:
            about = msgspec.json.decode(note.resource, type=_Note)
            if kind != "command" or about.kind == "WriteVariables":
                self._mark(about.station)

    async def rest(self) -> None:
        """Looks at the campaigns to which something may have happened."""
        async with self._turn:
            while self._due:
                await self._look_safely(self._due.pop())

    def _mark(self, station: str) -> None:
        """Has those campaigns looked at in which a station waits or is under way."""
        self._due.update(each for each, mine in self._stations.items() if station in mine)

    async def _ring(self) -> None:
        self._due.update(self._going_on)
        await self.rest()

    async def _look_safely(self, campaign_id: str) -> None:
        try:
            await self._look(campaign_id)
        except Exception:  # noqa: BLE001 - one bad campaign must not hold up the others
            _log.exception("campaign_waiting", campaign=campaign_id)
            self._alarm.set(self._clock.now() + RETRY)

    async def _look(self, campaign_id: str) -> None:
        """Finds out what follows for a campaign, and does it."""
        tenant = self._going_on.get(campaign_id)
        if tenant is None:
            return
        async with self._db.write(self._clock, self._ids, actor="campaigns", tenant=tenant) as work:
            row = await work.session.get(Campaign, campaign_id, with_for_update=True)
            if row is None or row.ended_at is not None:
                self._forget(campaign_id)
                return
            members = await members_of(work.session, campaign_id)
            views = await _views(work, row, members)
            judged = judge(
                campaign_state(row), [member_state(each) for each in members], views, work.now
            )
            running = {each.station for each in members if each.state == "running"}
            await self._carry_out(work, row, members, judged)
        going = frozenset(each.station for each in members if each.state in _GOING)
        self._stations[campaign_id] = going
        if row.ended_at is not None:
            self._forget(campaign_id)
        for station in running - going:
            # Another campaign may have waited for it.
            self._mark(station)
        self._alarm.set(judged.wake_at)

    async def _carry_out(
        self,
        work: UnitOfWork,
        row: Campaign,
        members: Sequence[CampaignStation],
        judged: Judged,
    ) -> None:
        """Writes down what was judged, and begins with those whose turn it is."""
        before = campaign_state(row)
        settled = False
        for member, after in zip(members, judged.members, strict=True):
            settled = settled or (member.ended_at is None and after.ended_at is not None)
            _keep(member, after)
            if after.state == "waiting" and member.update_id is not None:
                member.update_id = None
        change = change_of(row)
        starts = frozenset(judged.starts)
        for member in members:
            if member.station in starts:
                await _begin(work, row, member, change)
                if member.state == "waiting":
                    self._alarm.set(work.now + RETRY)
        _keep(row, judged.campaign)
        if judged.campaign == before and not settled and not starts:
            return
        touch(work, row)
        await announce_campaign(work, _event(before.wave, before.state, row), row)

    def _forget(self, campaign_id: str) -> None:
        self._going_on.pop(campaign_id, None)
        self._stations.pop(campaign_id, None)


def _event(wave: int, state: str, row: Campaign) -> str:
    """Returns which event tells best what has become true of a campaign."""
    if row.state == "aborted" and state != "aborted":
        return "campaign.aborted"
    if row.ended_at is not None:
        return "campaign.finished"
    return "campaign.wave_started" if row.wave != wave else "campaign.progressed"


def _keep(row: Base, after: object) -> None:
    """Writes a judged state into its row; `window` and the like were not changed."""
    for name in ("state", "why", "wave", "next_wave_at", "started_at", "ended_at"):
        if hasattr(after, name):
            setattr(row, name, getattr(after, name))


async def _views(
    work: UnitOfWork, row: Campaign, members: Sequence[CampaignStation]
) -> dict[str, View]:
    """Returns the stations of a campaign that wait or are under way, as they are now."""
    change = change_of(row)
    names = [each.station for each in members if each.state in _GOING]
    query = sa.select(Station).where(
        Station.tenant_id == row.tenant_id, Station.identity.in_(names)
    )
    stations = list(await work.session.scalars(query))
    gone = View(exists=False)
    views = {
        **dict.fromkeys(names, gone),
        **await views_of(work.session, stations, change, campaign_id=row.id),
    }
    running = [each for each in members if each.state == "running"]
    if isinstance(change, FirmwareChange):
        ids = [each.update_id for each in running]
        found = await work.session.scalars(
            sa.select(FirmwareUpdate).where(FirmwareUpdate.id.in_(ids))
        )
        updates = {each.id: each for each in found}
        for each in running:
            result = update_result(updates.get(each.update_id or ""))
            views[each.station] = msgspec.structs.replace(views[each.station], result=result)
    else:
        await _write_on(work, running, change, views)
    return views


async def _write_on(
    work: UnitOfWork,
    running: Sequence[CampaignStation],
    change: ConfigurationChange,
    views: dict[str, View],
) -> None:
    """Finds out how far settings are written, and writes the next ones."""
    ids = [each.command_id for each in running]
    found = await work.session.scalars(sa.select(Command).where(Command.id.in_(ids)))
    commands = {each.id: each for each in found}
    for each in running:
        command = commands.get(each.command_id or "")
        is_last = each.written + 1 >= len(change.variables)
        result = write_result(command, is_last=is_last, attempts=each.attempts)
        if command is not None and command.state == "unknown":
            each.attempts += 1
        if command is not None and command.state == "answered" and result is not None:
            if result.state in {"running", "done"}:
                each.written += 1
            if result.state == "running":
                each.command_id = _write(work, each.station, change.variables[each.written])
        views[each.station] = msgspec.structs.replace(views[each.station], result=result)


async def _begin(
    work: UnitOfWork,
    row: Campaign,
    member: CampaignStation,
    change: FirmwareChange | ConfigurationChange,
) -> None:
    """Asks a station whose turn it is."""
    if isinstance(change, ConfigurationChange):
        # A station that is told again gets all that it has not taken yet.
        member.command_id = _write(work, member.station, change.variables[member.written])
        return
    station = await work.session.get(Station, member.station)
    assert station is not None  # it was seen within this unit of work
    member.firmware_before = station.firmware_version
    try:
        update = await request_update(work, station, change, origin="rule", campaign_id=row.id)
    except (BadInput, Conflict) as refused:
        # Another unit of work came between: its turn comes again, or it is told why not.
        member.state, member.why = "waiting", refused.detail
        member.wave = member.started_at = None
        return
    member.update_id = update.id


def _write(work: UnitOfWork, station: str, setting: Setting) -> str:
    name = VariableName(
        name=setting.name,
        component=setting.component,
        component_instance=setting.component_instance,
        instance=setting.instance,
        evse_id=setting.evse_id,
    )
    order = WriteVariables(values=(VariableWrite(variable=name, value=setting.value),))
    return work.order(order, station=station, origin="rule", expires_in_s=ORDER_EXPIRES_S)
