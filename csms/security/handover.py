"""Changes of how stations log in: begun by an operator, and taken on step by step.

Nobody is locked out on the way: until a login has shown that the new way works, the old one holds.
A second password is good beside the first until the station has used it, or has said that it did
not take it; the profile of the record is raised when a login has reached it, never before.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from csms.ledger.work import UnitOfWork
from csms.security.queries import change_resource
from csms.security.rules import step_after, steps_to_profile
from csms.stations.actions import announce_station
from csms.web.rows import change_row
from models.clocks import Clock
from models.commands import AnyCommand, Reset, TriggerMessage, VariableWrite, WriteVariables
from models.commands.base import VariableName
from models.commands.upkeep import InstallRootCertificate, SetNetworkProfile
from models.errors import Conflict
from models.tables.ledger import Command
from models.tables.security import SecurityChange, StationCertificate
from models.tables.stations import Station, StationVariable

STEP_EXPIRES_S = 3600.0
"""Life time for which a station that is away is waited for, at each step."""
V16 = "ocpp1.6"
_PRIORITY = ("OCPPCommCtrlr", "NetworkConfigurationPriority")


async def begin_password(
    work: UnitOfWork, station: Station, *, password: str, seal: str
) -> SecurityChange:
    """Has a station take a new password.

    Args:
        work: the unit of work.
        station: the row, to change.
        password: the new one.
        seal: what is stored of it.

    Raises:
        Conflict: `change-under-way`, `never-connected`, `no-password`.
    """
    await _check(work, station)
    if station.security_profile not in {1, 2}:
        detail = f"security profile {station.security_profile} has no password to change"
        raise Conflict(detail, code="no-password")
    station.next_password_hash = seal
    station.updated_at = work.now
    row = _new(work, station, "password", ["password", "login"])
    name = "AuthorizationKey" if station.ocpp_version == V16 else "BasicAuthPassword"
    _order(work, row, _write(name, password, component="SecurityCtrlr"))
    return row


async def begin_profile(
    work: UnitOfWork,
    station: Station,
    *,
    target: int,
    wishes: dict[str, Any],
    operator_name: str,
    wall: Clock,
) -> SecurityChange:
    """Leads a station to a higher security profile.

    Args:
        work: the unit of work.
        station: the row, to change.
        target: 2 or 3.
        wishes: `root_certificate`, `csms_url`, `slot` and `interface`, where they are given.
        operator_name: for the station's requests.
        wall: real time, by which its certificates are valid.

    Raises:
        Conflict: `change-under-way`, `never-connected`, `profile-not-higher`.
    """
    await _check(work, station)
    if target <= station.security_profile:
        detail = f"the station has security profile {station.security_profile} already"
        raise Conflict(detail, code="profile-not-higher")
    good = sa.select(StationCertificate.id).where(
        StationCertificate.station == station.identity,
        StationCertificate.state == "installed",
        StationCertificate.revoked_at.is_(None),
        StationCertificate.not_after > wall.now(),
    )
    steps = steps_to_profile(
        target,
        is_16=station.ocpp_version == V16,
        root_given=wishes.get("root_certificate") is not None,
        certified=(await work.session.execute(good.limit(1))).scalar() is not None,
    )
    row = _new(work, station, "profile", list(steps))
    row.target_profile = target
    row.wishes = wishes | {"operator_name": operator_name}
    await enter_step(work, row, station, row.step)
    return row


async def enter_step(work: UnitOfWork, row: SecurityChange, station: Station, step: str) -> None:
    """Goes to a step, and orders what it takes."""
    row.step, row.command_id, row.updated_at = step, None, work.now
    command = await _command_of(work, row, station)
    if command is not None:
        _order(work, row, command)
    announce_change(work, row)


async def next_step(work: UnitOfWork, row: SecurityChange, station: Station) -> None:
    """Goes to the step that follows."""
    await enter_step(work, row, station, step_after(row.steps, row.step))


async def finish(work: UnitOfWork, row: SecurityChange, station: Station) -> None:
    """Ends a change that a login has shown to work: from now on only the new way holds."""
    if row.kind == "password":
        values: dict[str, Any] = {
            "password_hash": station.next_password_hash,
            "next_password_hash": None,
        }
    else:
        values = {"security_profile": row.target_profile}
    change_row(work, station, values)
    row.state, row.command_id, row.updated_at = "done", None, work.now
    announce_change(work, row)
    await announce_station(work, "station.updated", station)


def fail(
    work: UnitOfWork, row: SecurityChange, station: Station, why: str, *, not_taken: bool = False
) -> None:
    """Ends a change that does not work; the old way goes on.

    Args:
        work: the unit of work.
        row: the change.
        station: the station.
        why: in words.
        not_taken: the station can't have taken the new password, which is forgotten then.
    """
    if row.kind == "password" and not_taken:
        station.next_password_hash = None
        station.updated_at = work.now
    row.state, row.why, row.updated_at = "failed", why, work.now
    announce_change(work, row)


def announce_change(work: UnitOfWork, row: SecurityChange) -> None:
    """Says how a change stands."""
    work.emit(
        "security_change.updated",
        subject=f"security_change/{row.id}",
        resource=change_resource(row),
    )


async def forget_password(work: UnitOfWork, command_id: str) -> None:
    """Takes a password out of the command that took it to its station."""
    await work.session.execute(
        sa.update(Command).where(Command.id == command_id).values(body='{"type":"WriteVariables"}')
    )


async def running_change(work: UnitOfWork, identity: str) -> SecurityChange | None:
    """Returns the change of a station that is under way, to change it."""
    query = sa.select(SecurityChange).where(
        SecurityChange.station == identity, SecurityChange.state == "running"
    )
    return await work.session.scalar(query.with_for_update())


async def _check(work: UnitOfWork, station: Station) -> None:
    if await running_change(work, station.identity) is not None:
        raise Conflict("another change of this station is under way", code="change-under-way")
    if station.ocpp_version is None:
        detail = "the station has never connected, so its version is not known"
        raise Conflict(detail, code="never-connected")


def _new(work: UnitOfWork, station: Station, kind: str, steps: list[str]) -> SecurityChange:
    row = SecurityChange(
        id=work.ids.new(),
        tenant_id=station.tenant_id,
        station=station.identity,
        kind=kind,
        state="running",
        steps=steps,
        step=steps[0],
        wishes={},
        created_at=work.now,
        updated_at=work.now,
    )
    work.session.add(row)
    return row


def _order(work: UnitOfWork, row: SecurityChange, command: AnyCommand) -> None:
    row.command_id = work.order(
        command, station=row.station, origin="rule", expires_in_s=STEP_EXPIRES_S
    )


async def _command_of(work: UnitOfWork, row: SecurityChange, station: Station) -> AnyCommand | None:
    """Returns what a step has the station do; None where it is only waited for."""
    wishes = row.wishes
    command: AnyCommand | None = None
    match row.step:
        case "root":
            command = InstallRootCertificate(use="csms", certificate=wishes["root_certificate"])
        case "organisation":
            is_16 = station.ocpp_version == V16
            name = "CpoName" if is_16 else "OrganizationName"
            command = _write(name, wishes["operator_name"], component="SecurityCtrlr")
        case "certificate":
            command = TriggerMessage(message="SignCertificate")
        case "network":
            command = SetNetworkProfile(
                slot=wishes["slot"],
                url=wishes["csms_url"],
                security_profile=row.target_profile or 0,
                interface=wishes["interface"],
            )
        case "priority":
            slots = await _other_slots(work, row.station, str(wishes["slot"]))
            value = ",".join([str(wishes["slot"]), *slots])
            command = _write(_PRIORITY[1], value, component=_PRIORITY[0])
        case "profile":
            command = _write("SecurityProfile", str(row.target_profile), component=None)
        case "restart":
            command = Reset(kind="on-idle")
        case _:
            pass
    return command


def _write(name: str, value: str, *, component: str | None) -> WriteVariables:
    variable = VariableName(name=name, component=component)
    return WriteVariables(values=(VariableWrite(variable=variable, value=value),))


async def _other_slots(work: UnitOfWork, identity: str, slot: str) -> list[str]:
    """Returns the slots that the station has reported to prefer, without this one."""
    query = sa.select(StationVariable.value).where(
        StationVariable.station == identity,
        StationVariable.component == _PRIORITY[0],
        StationVariable.variable == _PRIORITY[1],
    )
    known = (await work.session.execute(query.limit(1))).scalar()
    return [each for each in (known or "").split(",") if each and each != slot]
