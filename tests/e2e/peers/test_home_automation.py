"""What home automation reads: the configuration of the how-to, rendered by Jinja as it is there.

Home Assistant fetches each resource and renders each `value_template` with the answer's JSON. The
service is a real one, with a key of a viewer, and a simulated station charges.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jinja2
import pytest
import yaml
from jinja2.sandbox import SandboxedEnvironment

from models.clocks import RealClock
from tests.builders.service import HELIOFLEET, Service, clean_environment, running_service

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "show-in-home-automation.md"
KINDS = {"battery": float, "power": float, "energy": float, None: float, "timestamp": str}


def resources() -> list[dict[str, Any]]:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return yaml.safe_load(block)["rest"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("serve")) as it:
        found_house(it)
        yield it


def found_house(it: Service) -> None:
    """A site with sun, a car that is booked and charges."""
    where = {"latitude": 45.7, "longitude": 4.8, "timezone": "Europe/Paris"}
    it.post("/sites", {"id": "SITE", "name": "Arc", "import_limit_w": 50_000, **where})
    evses = [{"evse_id": 1, "max_power_w": 3700.0}]
    made = it.post("/stations", {"identity": "BOX", "site_id": "SITE", "evses": evses})
    model: dict[str, Any] = {"id": "city", "name": "City", "vehicle_class": "city"}
    model |= {"battery_capacity_wh": 16_000, "max_ac_power_w": 3700}
    it.post("/vehicle-models", model | {"consumption_wh_per_km": 140})
    it.post("/vehicles", {"id": "CAR", "model_id": "city", "site_id": "SITE"})
    it.post("/id-tokens", {"id_token": "CARD", "type": "ISO14443", "vehicle_id": "CAR"})
    it.post("/vehicles/CAR/state", {"soc_pct": 55.0, "plugged_evse": "BOX/1"}, 200)
    now = RealClock().now().replace(microsecond=0)
    for minutes, power_w in ((10, 1000.0), (1, 4321.0)):
        at = (now - timedelta(minutes=minutes)).isoformat()
        said = {"measured_at": at, "pv_power_w": power_w, "load_power_w": 800.0}
        it.post("/sites/SITE/measurements", said)
    it.post("/drivers", {"id": "ada", "name": "Ada"})
    start = now + timedelta(hours=20)
    trip = {"driver_id": "ada", "pickup_site_id": "SITE", "dropoff_site_id": "SITE"}
    times = {"start": start.isoformat(), "end": (start + timedelta(hours=2)).isoformat()}
    it.post("/bookings", {**trip, **times, "distance_km": 10})
    station = subprocess.Popen(
        [
            *HELIOFLEET,
            *("station", "simulate", "BOX", "--password", made["password"], "--token", "CARD"),
            *("--ocpp-url", it.ocpp_url, "--meter-every-s", "1"),
        ],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert station.stdout is not None
    try:
        for line in station.stdout:
            if "transaction begun" in line:
                break
        wait_for_a_reading(it)
    finally:
        station.kill()
        station.communicate()


def wait_for_a_reading(it: Service) -> None:
    for _ in range(200):
        (open_one,) = it.get("/transactions", site_id="SITE", open="true")["items"]
        if open_one["power_w"] is not None:
            return
        time.sleep(0.1)
    raise AssertionError("no reading has come")


@pytest.fixture(scope="module")
def viewer(service: Service) -> Iterator[httpx.Client]:
    made = service.post("/api-keys", {"name": "home automation", "role": "viewer"})
    headers = {"Authorization": f"Bearer {made['key']}"}
    with httpx.Client(headers=headers) as client:
        yield client


def test_each_sensor_of_the_how_to_shows_a_value(service: Service, viewer: httpx.Client) -> None:
    environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined)
    shown: dict[str, str] = {}
    for resource in resources():
        address = resource["resource"].replace("http://heliofleet.example:8080", service.http_url)
        answer = viewer.get(address)
        assert answer.status_code == 200, answer.text
        for sensor in resource["sensor"]:
            template = environment.from_string(sensor["value_template"])
            shown[sensor["name"]] = template.render(value_json=answer.json())
            KINDS[sensor.get("device_class")](shown[sensor["name"]])
    assert float(shown["Sun on the roof"]) == 4321.0
    assert float(shown["Building"]) == 800.0
    assert 40.0 < float(shown["State of charge"]) < 60.0
    assert datetime.fromisoformat(shown["Next trip"]) > RealClock().now()


def test_the_key_can_do_nothing_else(service: Service, viewer: httpx.Client) -> None:
    for method, path in (
        ("POST", "/sites"),
        ("PATCH", "/stations/BOX"),
        ("POST", "/stations/BOX/commands"),
        ("DELETE", "/vehicles/CAR"),
    ):
        answer = viewer.request(method, f"{service.http_url}/api/v1{path}", json={})
        assert answer.status_code == 403, (method, path, answer.text)
