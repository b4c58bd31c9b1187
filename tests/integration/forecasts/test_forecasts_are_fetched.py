"""Forecasts that plug-ins fetch: over real HTTP, with all that a server can get wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from csms.bus.local import LocalBus
from csms.config import ForecastSourceSettings
from csms.energy import fetching as fetching_module
from csms.energy.actions import store_forecast
from csms.energy.counting import forecasts_that_count
from csms.energy.fetching import ForecastFetcher
from csms.energy.reactions import Forecaster
from csms.ledger.work import UnitOfWork
from csms.plugins.forecasts import Asked, Power
from models.clocks import SteppedClock
from models.errors import BadInput, Unavailable
from models.tables.energy import Forecast, ForecastSource, Site
from models.timeline import format_rfc3339
from scheduler.forecast.quality import Record
from tests.builders.open_meteo_server import OpenMeteoServer, open_meteo_server
from tests.builders.rest_house import START, RestHouse, rest_house

ROOF = {"peak_power_w": 20_000.0, "tilt_deg": 20.0, "azimuth_deg": 180.0}
HOUR = timedelta(hours=1)


@pytest.fixture
def weather() -> Iterator[OpenMeteoServer]:
    with open_meteo_server() as server:
        yield server


@pytest.fixture
async def house(sqlite_url: str) -> AsyncIterator[RestHouse]:
    async with rest_house(sqlite_url, stepped=True) as running:
        yield running


def a_source(url: str, **fields: Any) -> ForecastSourceSettings:
    given = {"name": "met", "plugin": "open-meteo", "options": {"base_url": url}}
    return ForecastSourceSettings.model_validate(given | fields)


@asynccontextmanager
async def fetching(
    house: RestHouse, *sources: ForecastSourceSettings
) -> AsyncIterator[ForecastFetcher]:
    """Runs what fetches, listening to the house's events."""
    parts = {"db": house.db, "clock": house.clock, "ids": house.services.ids}
    fetcher = ForecastFetcher(sources, **parts, activity=house.activity, tenant="default")
    bus = house.services.bus
    assert isinstance(bus, LocalBus)
    await fetcher.start()
    bus.subscribe("forecasts", fetcher.follows, fetcher.heard)
    await house.activity.quiet()
    try:
        yield fetcher
    finally:
        await fetcher.stop()


async def later(house: RestHouse, span: timedelta) -> None:
    assert isinstance(house.clock, SteppedClock)
    await house.clock.advance_to(house.clock.now() + span)


async def source(house: RestHouse, name: str = "fetched: met") -> Any:
    listed = await house.get("/forecast-sources", site_id="A", kind="pv")
    return next((each for each in listed["items"] if each["source"] == name), None)


async def counts(house: RestHouse) -> Any:
    """What a plan would be made with now."""
    now = house.clock.now()
    parts = {"db": house.db, "clock": house.clock, "ids": house.services.ids}
    await Forecaster(**parts, tenant="default").refresh(now)
    async with house.db.read() as session:
        return (await forecasts_that_count(session, ["A"], now))["A", "pv"]


async def test_a_forecast_is_fetched_by_the_clock_and_planned_with(
    house: RestHouse, weather: OpenMeteoServer
) -> None:
    await house.site(id="A")
    async with fetching(house, a_source(weather.url)):
        assert await source(house) is None  # no roofs, nobody to ask for
        await house.patch("/sites/A", {"pv_plants": [ROOF]})
        await house.activity.quiet()
        told = await source(house)
        assert (told["failure"], told["failing_since"], told["skill"]) == (None, None, None)
        assert told["told_at"] == told["asked_at"] == format_rfc3339(START)
        (kept,) = (await house.get("/forecasts/pv", site_id="A"))["items"]
        assert (kept["source"], kept["doubts"]) == ("fetched: met", [])
        assert (kept["start"], kept["step_minutes"]) == (format_rfc3339(START), 15)
        assert kept["q10_w"][24] < kept["q50_w"][24] < kept["q90_w"][24]
        ahead = kept["q50_w"][:48]
        assert 4_000 < max(ahead) < 12_000
        # Ours is worth as much as long as there is no record: the plan has the mean.
        (one,) = await counts(house)
        assert one.source == "clear_sky, fetched: met"
        own = [e for e in (await house.get("/forecasts/pv"))["items"] if e["source"] == "clear_sky"]
        at = kept["q50_w"][24], own[0]["q50_w"][24]
        assert one.q50_w[24] == pytest.approx(sum(at) / 2, abs=1)
        # On the hour it is asked again; that another field of the site changes is no reason to.
        asked = len(weather.queries)
        await house.patch("/sites/A", {"name": "Arc"})
        await later(house, HOUR - timedelta(minutes=1))
        assert len(weather.queries) == asked == 1
        await later(house, timedelta(minutes=1))
        assert len(weather.queries) == 2
    assert "forecast_source.failed" not in await house.events("site/A")
    # A restart asks again only when it is time.
    async with fetching(house, a_source(weather.url)):
        assert len(weather.queries) == 2
        await later(house, HOUR)
        assert len(weather.queries) == 3


TROUBLES = {
    "broken": "it answered 500",
    "too many": "it answered 429: Minutely API request limit exceeded.",
    "garbage": "its answer is no forecast",
    "page": "its answer is no forecast",
    "endless": "its answer has no end",
    "nothing": "it gave no steps of 15 minutes",
    "gap": "ghi_w_per_m2 has a gap: no number at step ",
    "missing steps": "its steps are not 15 minutes apart",
    "time zone": "NIGHT",
    "turned sign": "ghi_w_per_m2 is below zero at step ",
}


async def test_whatever_goes_wrong_is_shown_and_our_own_forecast_goes_on(
    house: RestHouse, weather: OpenMeteoServer
) -> None:
    await house.site(id="A", pv_plants=[ROOF])
    async with fetching(house, a_source(weather.url, timeout_s=300)):
        good = await source(house)
        assert good["failure"] is None
        await later(house, 7 * HOUR)
        for trouble, failure in TROUBLES.items():
            weather.trouble = trouble
            await later(house, HOUR)
            told = await source(house)
            assert failure in told["failure"], trouble
            assert told["asked_at"] == format_rfc3339(house.clock.now())
            # It is told once, however long it lasts.
            assert (await house.events("site/A")).count("forecast_source.failed") == 1
        # For six hours what it told last counts, then nothing does.
        assert told["failing_since"] == format_rfc3339(START + 8 * HOUR)
        assert told["told_at"] == format_rfc3339(START + 7 * HOUR)
        assert told["share"] is None
        assert [each.source for each in await counts(house)] == ["clear_sky"]
        weather.trouble = None
        # Should it be nothing like the lies before, it is believed when it is said again.
        await later(house, 2 * HOUR)
        told = await source(house)
        assert (told["failure"], told["failing_since"], told["share"]) == (None, None, 0.5)
        assert (await house.events("site/A"))[-1] == "forecast_source.recovered"
        assert [e.source for e in await counts(house)] == ["clear_sky, fetched: met"]


async def test_who_does_not_answer_is_given_up(house: RestHouse, weather: OpenMeteoServer) -> None:
    weather.trouble = "hangs"
    await house.site(id="A", pv_plants=[ROOF])
    async with fetching(house, a_source(weather.url, timeout_s=0.2)):
        assert (await source(house))["failure"] == "it did not answer within 0.2 s"
        assert [each.source for each in await counts(house)] == ["clear_sky"]


async def test_a_forecast_that_ends_early_counts_as_far_as_it_goes(
    house: RestHouse, weather: OpenMeteoServer
) -> None:
    weather.trouble = "ends early"
    await house.site(id="A", pv_plants=[ROOF])
    async with fetching(house, a_source(weather.url)):
        (kept,) = (await house.get("/forecasts/pv", site_id="A"))["items"]
        assert len(kept["q50_w"]) == 100 - 25
        (one,) = await counts(house)
        assert len(one.q50_w) == 192


async def test_a_server_that_nobody_hears_is_shown(house: RestHouse) -> None:
    await house.site(id="A", pv_plants=[ROOF])
    async with fetching(house, a_source("http://127.0.0.1:1/v1/forecast")):
        assert (await source(house))["failure"] == "it can't be reached: ConnectError"


async def test_who_came_nearer_has_the_greater_say_and_who_is_far_off_none(
    house: RestHouse, weather: OpenMeteoServer
) -> None:
    await house.site(id="A", pv_plants=[ROOF])
    async with fetching(house, a_source(weather.url, options={"base_url": weather.url})):
        record = {"hours": 120.0, "measured_wh": 6e5, "excess_wh": 0.0, "inside_hours": 90.0}
        errors = {"own": 2.4e5, "fetched: met": 1.2e5}
        await _write_records(house, errors, record)
        told, own = await source(house), await source(house, "own")
        assert (told["share"], own["share"]) == (0.8, 0.2)
        (kept,) = (await house.get("/forecasts/pv", site_id="A"))["items"]
        (one,) = await counts(house)
        ours = (await house.get("/forecasts/pv", site_id="A"))["items"]
        own_w = next(each for each in ours if each["source"] == "clear_sky")["q50_w"][24]
        expected_w = 0.8 * kept["q50_w"][24] + 0.2 * own_w
        assert one.q50_w[24] == pytest.approx(expected_w, abs=1)
        await _write_records(house, errors, record, doubts=[{"code": "BIASED", "detail": "far"}])
        assert (await source(house))["share"] is None
        assert (await source(house, "own"))["share"] == 1.0
        assert [each.source for each in await counts(house)] == ["clear_sky"]


async def _write_records(
    house: RestHouse,
    errors: dict[str, float],
    record: dict[str, float],
    doubts: list[dict[str, str]] | None = None,
) -> None:
    """Writes down what months of judging would come to; a doubt is the fetched one's."""
    ids = house.services.ids
    async with house.db.write(house.clock, ids, actor="test", tenant="default") as work:
        for name, error_wh in errors.items():
            row = await work.session.get(ForecastSource, ("A", "pv", name))
            if row is None:
                row = ForecastSource(site_id="A", kind="pv", source=name, doubts=[])
                work.session.add(row)
            row.judged_at = row.judged_until = START
            values = {**record, "error_wh": error_wh, "persistence_error_wh": 3e5}
            for column, value in values.items():
                setattr(row, column, value)
            if name != "own":
                row.doubts = doubts or []


async def test_of_each_source_only_the_newest_that_is_not_doubted_is_read(
    house: RestHouse,
) -> None:
    await house.site(id="A")
    doubt = [{"code": "NIGHT", "detail": "sun at night"}]
    ids = house.services.ids
    async with house.db.write(house.clock, ids, actor="test", tenant="default") as work:
        for number, source, doubts in (
            (1, "pushed", []),
            (2, "pushed", doubt),
            (3, "fetched: met", []),
            (4, "fetched: met", []),
            (5, "fetched: met", doubt),
            (6, "fetched: sky", []),
            (7, "fetched: sky", []),
        ):
            issued_at = START - timedelta(minutes=60 - number)
            values = {"id": str(number), "source": source, "doubts": doubts, "start": START}
            many = 1
            if source == "fetched: sky":
                values["start"], many = START - HOUR, 3
            series = {"q10_w": [1.0] * many, "q50_w": [1.0 * number] * many, "q90_w": [9.0] * many}
            row = Forecast(site_id="A", kind="pv", step_minutes=60, **values, **series)
            row.issued_at = issued_at
            work.session.add(row)
        for name in ("met", "sky"):
            row = ForecastSource(site_id="A", kind="pv", source=f"fetched: {name}", doubts=[])
            row.judged_at = row.judged_until = row.told_at = START
            for column in Record.__slots__:
                setattr(row, column, 0.0)
            work.session.add(row)
    read: list[str] = []

    def note(row: Forecast, _: Any) -> None:
        read.append(row.id)

    sa.event.listen(Forecast, "load", note)
    try:
        async with house.db.read() as session:
            counted = await forecasts_that_count(session, ["A"], START)
    finally:
        sa.event.remove(Forecast, "load", note)
    assert sorted(read) == ["1", "4", "7"]
    pushed, one = counted["A", "pv"]
    assert (pushed.id, one.source) == ("1", "fetched: met, fetched: sky")
    # Without anything of our own, it reaches as far as the longest does.
    assert (one.start, one.step_minutes) == (START - HOUR, 60)
    assert one.q50_w == pytest.approx([7.0, 5.5, 7.0])


class _SlowAtB:
    """Tells something of A at once; of B when it is let go."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.let_go = False

    async def forecast(self, asked: Asked) -> Power:
        try:
            # An event of asyncio can't be set from the loop of the tests.
            while asked.site_id == "B" and not self.let_go:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        finally:
            self.ended.append(asked.site_id)
        return Power(issued_at=asked.now, start=asked.start, step_minutes=60, q50_w=[0.0] * 4)


@pytest.mark.parametrize("let_go", [False, True])
async def test_that_one_site_can_not_be_kept_is_no_matter_to_the_others_nor_to_the_end(
    house: RestHouse, monkeypatch: pytest.MonkeyPatch, *, let_go: bool
) -> None:
    for name in ("A", "B"):
        await house.site(id=name, pv_plants=[ROOF])
    plugin, failed = _SlowAtB(), asyncio.Event()

    async def store(work: UnitOfWork, site: Site, kind: str, values: Mapping[str, Any]) -> Forecast:
        if site.id == "A":
            failed.set()
            raise Unavailable("the database is busy")
        return await store_forecast(work, site, kind, values)

    monkeypatch.setattr(fetching_module, "store_forecast", store)
    monkeypatch.setattr(fetching_module, "load_plugin", lambda *_: plugin)
    parts = {"db": house.db, "clock": house.clock, "ids": house.services.ids}
    sources = [a_source("http://x")]
    fetcher = ForecastFetcher(sources, **parts, activity=house.activity, tenant="default")
    before = asyncio.all_tasks()
    await fetcher.start()
    await asyncio.wait_for(failed.wait(), 5)
    await asyncio.sleep(0.05)  # what the failure leads to
    plugin.let_go = let_go
    if let_go:
        await house.activity.quiet()
    await fetcher.stop()
    assert asyncio.all_tasks() <= before
    assert sorted(plugin.ended) == ["A", "B"]
    listed = (await house.get("/forecast-sources", site_id="B", kind="pv"))["items"]
    told = [each["failure"] for each in listed if each["source"] == "fetched: met"]
    assert told == ([None] if let_go else [])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"plugin": "open-meteor"}, "no plug-in open-meteor .* there are: open-meteo"),
        ({"options": {"base_url": "ftp://x"}}, "base_url: allowed is an http or https address"),
        ({"options": {"colour": 1}}, "unknown field `colour`"),
        ({"options": {"step_minutes": 5}}, "step_minutes"),
    ],
)
async def test_wrong_options_are_named(house: RestHouse, fields: Any, said: str) -> None:
    parts = {"db": house.db, "clock": house.clock, "ids": house.services.ids}
    with pytest.raises(BadInput, match=said):
        ForecastFetcher(
            [a_source("http://x", **fields)], **parts, activity=house.activity, tenant="default"
        )
