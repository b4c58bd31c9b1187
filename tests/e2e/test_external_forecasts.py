"""Plug-ins that forecast, as the how-tos have them: the service started with their files."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.builders.open_meteo_server import open_meteo_server
from tests.builders.rest_house import a_model, a_site
from tests.builders.service import HELIOFLEET, Service, clean_environment, running_service

HOW_TOS = Path(__file__).resolve().parents[2] / "docs" / "how-to"
STARTS = "2026-06-15T06:00:00Z"


def block(page: str, title: str) -> str:
    """What a how-to says to put into a file."""
    text = (HOW_TOS / f"{page}.md").read_text()
    found = re.findall(
        rf"^```\w+\n# {re.escape(title)}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    )
    assert len(found) == 1
    return found[0]


def install(folder: Path) -> None:
    """Puts the package of the how-to where Python finds it, as an installer would."""
    project = tomllib.loads(block("write-a-forecast-source", "pyproject.toml"))["project"]
    name, version = project["name"].replace("-", "_"), project["version"]
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines: list[str] = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines))
    (folder / f"{name}.py").write_text(block("write-a-forecast-source", "my_forecasts.py"))


def sources(service: Service) -> dict[str, Any]:
    listed = service.get("/forecast-sources", site_id="depot", kind="pv")["items"]
    return {each["source"]: each for each in listed}


def test_the_sources_of_the_how_tos_are_planned_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "installed")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    with open_meteo_server() as weather:
        weather.clouds = 0.3
        text = block("use-an-external-forecast", "heliofleet.toml")
        assert "https://api.open-meteo.com/v1/forecast" in text
        text = text.replace("https://api.open-meteo.com/v1/forecast", weather.url)
        text += block("write-a-forecast-source", "heliofleet.toml")
        (tmp_path / "heliofleet.toml").write_text(text)
        (tmp_path / "weather.json").write_text(
            '{"issued_at": "2026-06-15T06:00:00Z", "start": "2026-06-15T06:00:00Z",'
            f' "sites": {{"depot": {[0.9] * 48}}}}}'
        )
        simulated = ("--config", "heliofleet.toml", "--clock", "simulated", "--start", STARTS)
        with running_service(tmp_path, *simulated) as service:
            roof = {"peak_power_w": 20_000.0, "tilt_deg": 20.0, "azimuth_deg": 180.0}
            service.post("/sites", a_site(id="depot", pv_plants=[roof]))
            service.post("/vehicle-models", a_model(id="mia"))
            service.post("/vehicles", {"id": "car-1", "model_id": "mia", "site_id": "depot"})
            service.post("/clock", {"advance_to": "2026-06-15T06:20:00Z"}, 200)
            kept = service.get("/forecasts/pv", site_id="depot")["items"]
            series = {each["source"]: each["q50_w"] for each in kept if not each["doubts"]}
            assert set(series) == {"clear_sky", "fetched: open-meteo", "fetched: roof-top"}
            # The plan goes by the mean of the three, at the same instant of each.
            plan = service.get("/plans/current", site_id="depot")
            assert plan["forecast_source"] == ", ".join(sorted(series))
            noon = 22
            hourly = series["fetched: roof-top"][(noon + 1) // 4]
            newest = next(each for each in kept if each["source"] == "clear_sky")
            quarters = series["fetched: open-meteo"][noon + 1] + newest["q50_w"][noon]
            assert plan["sites"][0]["grid_w"][noon] == pytest.approx(
                -(quarters + hourly) / 3, abs=2
            )
            shares = {name: each["share"] for name, each in sources(service).items()}
            assert shares["fetched: roof-top"] == pytest.approx(1 / 3, abs=1e-4)
            # Both fail, and it is told; the plan goes on with what they told before.
            weather.trouble = "broken"
            (tmp_path / "weather.json").unlink()
            service.post("/clock", {"advance_to": "2026-06-15T07:10:00Z"}, 200)
            told = sources(service)
            assert told["fetched: open-meteo"]["failure"] == "it answered 500"
            assert told["fetched: roof-top"]["failure"] == "weather.json can't be read"
            assert told["fetched: roof-top"]["told_at"].startswith("2026-06-15T06:")
            plan = service.get("/plans/current", site_id="depot")
            assert plan["forecast_source"] == ", ".join(sorted(series))


@pytest.mark.soak
def test_a_source_that_is_not_installed_ends_the_start_with_one_line(tmp_path: Path) -> None:
    text = '[[forecast_sources]]\nname = "a"\nplugin = "none-such"\n'
    (tmp_path / "heliofleet.toml").write_text(text)
    done = subprocess.run(
        [*HELIOFLEET, "serve", "--http-port", "0", "--ocpp-port", "0"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "no plug-in none-such of heliofleet.forecasts is installed" in line
