"""Forecasts of Open-Meteo, an open weather service: irradiance and temperature by quarter hours.

Documentation: https://open-meteo.com/en/docs. Its values at an instant are the means of the step
that ends there, and with `timeformat=unixtime` all its instants are in UTC.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import msgspec

from csms.plugins.forecasts import Asked, Irradiance, NoForecast

BASE_URL = "https://api.open-meteo.com/v1/forecast"
LARGEST_BYTES = 4 * 1024 * 1024
"""Two days of quarter hours are some 10 kB."""
_VARIABLES = (
    "shortwave_radiation",
    "direct_normal_irradiance",
    "diffuse_radiation",
    "temperature_2m",
)
_Values = list[float | None]


class _Options(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What may stand in the configuration."""

    base_url: str = BASE_URL
    step_minutes: Literal[15, 60] = 15
    model: str | None = None
    api_key: str | None = None


class _Series(msgspec.Struct):
    time: list[int]
    shortwave_radiation: _Values
    direct_normal_irradiance: _Values
    diffuse_radiation: _Values
    temperature_2m: _Values


class _Answer(msgspec.Struct):
    minutely_15: _Series | None = None
    hourly: _Series | None = None


class _Refusal(msgspec.Struct):
    reason: str


class OpenMeteo:
    """Asks Open-Meteo, or a server that answers like it.

    Options: `base_url`; `step_minutes` (15 or 60); `model` (as `icon_d2`; unset: the best for the
    place); `api_key` (for customers; `base_url` is another one then).
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        try:
            self._options = msgspec.convert(dict(options), _Options)
        except msgspec.ValidationError as wrong:
            raise ValueError(str(wrong)) from None
        parts = urlsplit(self._options.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("base_url: allowed is an http or https address")

    async def forecast(self, asked: Asked) -> Irradiance:
        """Returns what it expects for a site; see `ForecastPlugin`."""
        answer = await self._fetch(asked)
        minutes = self._options.step_minutes
        series = answer.minutely_15 if minutes == 15 else answer.hourly
        if series is None:
            raise NoForecast(f"it gave no steps of {minutes} minutes")
        step = timedelta(minutes=minutes)
        _check_times(series, step)
        start = datetime.fromtimestamp(series.time[0], UTC) - step
        first = max(0, (asked.start - start) // step)
        columns = [_cut(getattr(series, name), first) for name in _VARIABLES]
        steps = min(map(len, columns))
        if steps == 0:
            raise NoForecast("it gave nothing for the time to come")
        ghi, dni, dhi, air = (each[:steps] for each in columns)
        return Irradiance(
            issued_at=asked.now,
            start=start + first * step,
            step_minutes=minutes,
            ghi_w_per_m2=ghi,
            dni_w_per_m2=dni,
            dhi_w_per_m2=dhi,
            air_c=air,
        )

    async def _fetch(self, asked: Asked) -> _Answer:
        options = self._options
        block = "minutely_15" if options.step_minutes == 15 else "hourly"
        ends_at = asked.start + asked.horizon
        query: dict[str, str] = {
            "latitude": f"{asked.latitude:.4f}",
            "longitude": f"{asked.longitude:.4f}",
            block: ",".join(_VARIABLES),
            "timeformat": "unixtime",
            "timezone": "GMT",
            "start_date": asked.start.astimezone(UTC).date().isoformat(),
            "end_date": ends_at.astimezone(UTC).date().isoformat(),
        }
        if options.model is not None:
            query["models"] = options.model
        if options.api_key is not None:
            query["apikey"] = options.api_key
        try:
            status, body = await _get(options.base_url, query)
        except httpx.HTTPError as error:
            raise NoForecast(f"it can't be reached: {type(error).__name__}") from error
        if status != 200:
            raise NoForecast(f"it answered {status}{_reason(body)}")
        try:
            return msgspec.json.decode(body, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NoForecast(f"its answer is no forecast: {error}") from error


async def _get(url: str, query: Mapping[str, str]) -> tuple[int, bytes]:
    """Returns the status and the body of an answer, which is not read beyond all measure."""
    async with (
        httpx.AsyncClient(timeout=60.0) as client,
        client.stream("GET", url, params=query) as answer,
    ):
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > LARGEST_BYTES:
                raise NoForecast("its answer has no end")
        return answer.status_code, bytes(body)


def _reason(body: bytes) -> str:
    """What the answer says of a refusal."""
    try:
        return f": {msgspec.json.decode(body, type=_Refusal).reason[:200]}"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _check_times(series: _Series, step: timedelta) -> None:
    columns = [getattr(series, name) for name in _VARIABLES]
    if not series.time or {len(each) for each in columns} != {len(series.time)}:
        raise NoForecast("its series are not of one length")
    apart = {later - at for at, later in zip(series.time, series.time[1:], strict=False)}
    if apart - {int(step.total_seconds())}:
        raise NoForecast(f"its steps are not {int(step.total_seconds()) // 60} minutes apart")
    if not 0 <= series.time[0] <= 32_503_680_000:  # the year 3000
        raise NoForecast("its steps lie at no time")


def _cut(values: Sequence[float | None], first: int) -> list[float]:
    """The values from a step on, less those at the end that the weather model does not reach.

    One that lacks in between is no number: the service says where.
    """
    known = [math.nan if each is None else each for each in values[first:]]
    while known and math.isnan(known[-1]):
        known.pop()
    return known
