"""A web server that answers as Open-Meteo does, or as a server in trouble does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np
import pandas as pd
from pvlib import clearsky, irradiance, solarposition


@dataclass
class OpenMeteoServer:
    """What it says next, and what it was asked."""

    url: str = ""
    clouds: float = 0.5
    """Which share of a clear sky's light comes through."""
    trouble: str | None = None
    """None: it works. Else one of those that `_Answers` knows."""
    queries: list[dict[str, str]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    """Lets an answer that hangs go on."""


def answer_to(query: dict[str, str], clouds: float, moved: timedelta) -> dict[str, Any]:
    """The document for a query; `moved` later than it is, where its clock is wrong."""
    block, minutes = ("minutely_15", 15) if "minutely_15" in query else ("hourly", 60)
    first = datetime.combine(date.fromisoformat(query["start_date"]), datetime.min.time(), UTC)
    last = datetime.combine(date.fromisoformat(query["end_date"]), datetime.min.time(), UTC)
    step = timedelta(minutes=minutes)
    times = [first + n * step for n in range(int((last + timedelta(days=1) - first) / step))]
    middles = pd.DatetimeIndex([each - step / 2 - moved for each in times])
    position = solarposition.get_solarposition(
        middles, float(query["latitude"]), float(query["longitude"])
    )
    zenith = np.asarray(position["apparent_zenith"])
    ghi = clouds * np.asarray(clearsky.haurwitz(position["apparent_zenith"])["ghi"])
    split = irradiance.erbs(ghi, zenith, np.asarray(middles.day_of_year))
    series = {
        "shortwave_radiation": ghi,
        "direct_normal_irradiance": np.asarray(split["dni"]),
        "diffuse_radiation": np.asarray(split["dhi"]),
        "temperature_2m": np.full(len(times), 20.0),
    }
    assert query[block] == ",".join(series)
    assert (query["timeformat"], query["timezone"]) == ("unixtime", "GMT")
    shown = {name: np.round(values, 1).tolist() for name, values in series.items()}
    return {
        "latitude": float(query["latitude"]),
        "longitude": float(query["longitude"]),
        "generationtime_ms": 0.2,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": 170.0,
        f"{block}_units": {"time": "unixtime", "shortwave_radiation": "W/m²"},
        block: {"time": [int(each.timestamp()) for each in times], **shown},
    }


def _answers(server: OpenMeteoServer, query: dict[str, str]) -> tuple[int, bytes]:
    """Status and body."""
    trouble = server.trouble
    said = answer_to(
        query, server.clouds, timedelta(hours=2) if trouble == "time zone" else timedelta(0)
    )
    series = next(said[name] for name in ("minutely_15", "hourly") if name in said)
    if trouble == "gap":
        series["shortwave_radiation"][150] = None
    elif trouble == "missing steps":
        for each in series.values():
            del each[150:154]
    elif trouble == "turned sign":
        series["shortwave_radiation"] = [-each for each in series["shortwave_radiation"]]
        for name in ("direct_normal_irradiance", "diffuse_radiation"):
            series[name] = [-each for each in series[name]]
    elif trouble == "ends early":
        for name in ("shortwave_radiation", "diffuse_radiation"):
            series[name][100:] = [None] * len(series[name][100:])
    elif trouble == "nothing":
        said = {"latitude": 1.0}
    status, body = 200, msgspec.json.encode(said)
    if trouble == "broken":
        status, body = 500, b"Internal Server Error"
    elif trouble == "too many":
        refusal = {"error": True, "reason": "Minutely API request limit exceeded."}
        status, body = 429, msgspec.json.encode(refusal)
    elif trouble == "garbage":
        body = body[:200] + b"\x00\xff\xfe"
    elif trouble == "page":
        body = b"<!doctype html><title>Log in</title>"
    elif trouble == "endless":
        body = b" " * (5 * 1024 * 1024) + body
    return status, body


@contextmanager
def open_meteo_server() -> Iterator[OpenMeteoServer]:
    """Runs it on a port of its own."""
    state = OpenMeteoServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            state.queries.append(query)
            if state.trouble == "hangs":
                state.hold.wait(60.0)
            status, body = _answers(state, query)
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                pass  # who asked has gone

        def log_message(self, *_: Any) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{web.server_address[1]}/v1/forecast"
    try:
        yield state
    finally:
        state.hold.set()
        web.shutdown()
        thread.join()
        web.server_close()
