"""A station that waits for approval: what may be sent to it, and what is kept of its answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from csms.gateway.limits import Limits
from models.commands import RawCommand, Reset
from models.tables.ledger import Command
from models.tables.stations import StationVariable
from tests.builders.played_station import played_station
from tests.builders.waiting import eventually
from tests.integration.gateway.rig import boot, call, rig

ALL = {"requestId": 7, "reportBase": "FullInventory"}


def part(number: int) -> dict[str, Any]:
    """Returns one part of a report that never ends."""
    data = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": f"V{number}"},
        "variableAttribute": [{"value": "1"}],
    }
    return {
        "requestId": 7,
        "generatedAt": "2026-06-01T00:00:00Z",
        "seqNo": number,
        "tbc": True,
        "reportData": [data],
    }


async def test_a_1_6_station_that_waits_is_configured_and_asked_for_its_boot(
    sqlite_url: str,
) -> None:
    async with played_station(sqlite_url, "1.6", come=False, known=False) as cp:
        await cp.dial()
        assert (await cp.boot())["status"] == "Pending"
        await cp.house.activity.quiet()
        key = {"key": "HeartbeatInterval", "readonly": False, "value": "300"}
        asked: dict[str, Any] = {"key": ["HeartbeatInterval"]}
        await cp.order("GetConfiguration", asked, {"configurationKey": [key]})
        await cp.order("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"})
        await cp.order("TriggerMessage", {"requestedMessage": "BootNotification"})
        for action, payload in (
            ("RemoteStartTransaction", {"idTag": "VALID"}),
            ("Reset", {"type": "Soft"}),
            ("TriggerMessage", {"requestedMessage": "MeterValues"}),
        ):
            body = {"action": action, "payload": payload}
            refusal = await cp.house.post("/stations/CP-1/commands", body, 409)
            assert refusal["code"] == "station-pending"
            assert "waits for approval" in refusal["detail"]
        refusal = await cp.house.get("/stations/CP-1/root-certificates", 409)
        assert refusal["code"] == "station-pending"
        assert [action for action, _ in cp.heard] == [
            "GetConfiguration",
            "ChangeConfiguration",
            "TriggerMessage",
        ]


async def test_a_payload_that_is_wrong_is_named_before_a_station_that_waits_hears_of_it(
    sqlite_url: str,
) -> None:
    async with played_station(sqlite_url, "2.0.1", come=False, known=False) as cs:
        await cs.dial()
        await cs.boot()
        await cs.house.activity.quiet()
        body = {"action": "TriggerMessage", "payload": {"requestedMessage": "Everything"}}
        wrong = await cs.house.post("/stations/CP-1/commands", body, 422)
        assert wrong["errors"][0]["field"] == "/payload/requestedMessage"


async def test_what_a_stranger_has_told_of_itself_ends_with_its_approval(sqlite_url: str) -> None:
    async with played_station(sqlite_url, "2.0.1", come=False, known=False) as cs:
        await cs.dial()
        await cs.boot()
        await cs.house.activity.quiet()
        await cs.order("GetBaseReport", ALL)
        await cs.call("NotifyReport", part(0))
        await cs.house.activity.quiet()
        shown = await cs.house.get("/stations/CP-1/variables")
        assert [each["variable"] for each in shown["items"]] == ["V0"]
        (site,) = (await cs.house.get("/sites"))["items"]
        await cs.house.post("/stations/CP-1/approve", {"site_id": site["id"]}, 200)
        assert (await cs.house.get("/stations/CP-1/variables"))["items"] == []


async def test_a_report_of_a_station_that_waits_has_an_end(tmp_path: Path) -> None:
    limits = Limits(refusal_delay_s=0.1, sweep_s=0.02, reports_while_pending=2)
    async with rig(tmp_path, onboarding="pending", limits=limits) as house:
        link = await house.dial("new", None, ("ocpp2.0.1",))
        await boot(link)
        await house.order("new", RawCommand(action="GetBaseReport", payload=ALL))
        asked = msgspec.json.decode(await link.recv())
        await link.send(msgspec.json.encode([3, asked[1], {"status": "Accepted"}]).decode())
        replies = [await call(link, "NotifyReport", part(n), f"r{n}") for n in range(3)]
        assert [reply[0] for reply in replies] == [3, 3, 4]
        assert replies[2][2] == "SecurityError"
        assert len(await house.rows(sa.select(StationVariable))) == 2


async def test_what_rules_have_ordered_waits_until_the_station_is_accepted(tmp_path: Path) -> None:
    async with rig(tmp_path, onboarding="pending") as house:
        link = await house.dial("new", None, ("ocpp2.0.1",))
        await boot(link)
        await house.order("new", Reset(kind="on-idle"))
        trigger = {"requestedMessage": "BootNotification"}
        await house.order("new", RawCommand(action="TriggerMessage", payload=trigger))
        asked = msgspec.json.decode(await link.recv())
        assert asked[2:] == ["TriggerMessage", trigger]
        await link.send(msgspec.json.encode([3, asked[1], {"status": "Accepted"}]).decode())
        rows = await house.rows(sa.select(Command).order_by(Command.id))
        assert [row.state for row in rows] == ["queued", "answered"]
        await house.change_station("new", approval="accepted", security_profile=0)
        await eventually(lambda: not house.gateway.connections())
        again = await house.dial("new", None, ("ocpp2.0.1",))
        assert (await boot(again))[2]["status"] == "Accepted"
        assert msgspec.json.decode(await again.recv())[2:] == ["Reset", {"type": "OnIdle"}]
