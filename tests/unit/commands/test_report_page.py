"""The report of a run: one file that needs nothing else, with the figures in words and pictures."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from csms.commands.report.figures import ServiceView
from csms.commands.report.page import print_table
from csms.commands.report.pictures import SiteSeries, site_picture
from csms.commands.report.words import TABLES, headline, site_caption, speech_of, story
from csms.commands.report.writing import write_report
from models.timeline import format_rfc3339
from scheduler.explaining.words import LANGUAGES, Language
from simulators.scorecard import Truth
from tests.builders.truths import (
    NOTHING,
    SCENARIO,
    SPEC,
    WORLD,
    at,
    booking_truth,
    car_truth,
    forecast,
    site_truth,
    truth_of,
)

PARIS = ZoneInfo("Europe/Paris")
ENGLISH = speech_of("en")
SUNNY = tuple(4_000.0 if 40 <= step < 72 else 0.0 for step in range(WORLD.steps))
CHARGED_W = tuple(3_000.0 if 44 <= step < 56 else 0.0 for step in range(WORLD.steps))


def played(**more: Any) -> Truth:
    name = more.pop("name", SPEC.name)
    site = site_truth(
        SUNNY, load_power_w=(1_000.0,) * WORLD.steps, charging_power_w=CHARGED_W, name=name
    )
    return truth_of(
        site,
        cars=(car_truth("car-01", [power_w / 4 for power_w in CHARGED_W]),),
        bookings=(booking_truth("b-1", "served", "car-01"), booking_truth(None, "refused", None)),
        messages={"ocpp1.6": 1234},
        **more,
    )


def view(*forecasts: dict[str, Any]) -> ServiceView:
    return ServiceView(forecasts=forecasts, limits=(), measured={})


def report_of(folder: Path, truth: Truth, **more: Any) -> tuple[dict[str, Any], str]:
    service = more.pop("service", view(forecast(9, [4_000.0] * 40)))
    outcome = write_report(folder, truth, SCENARIO, service, days=1, **more)
    return outcome.report, (folder / "report.html").read_text()


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    _, page = report_of(tmp_path, played())
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"|http://(purl|creativecommons)\.[^"<]*', "", page)
    assert not re.search(r"https?://|//\w|<script|<link|<img|@import|url\((?!#)", without_names)
    assert page.count("<svg") == len(list(tmp_path.glob("picture-*.svg"))) == 3
    for picture in tmp_path.glob("picture-*.svg"):
        assert "<svg" in picture.read_text()


def test_the_main_figures_stand_at_the_top_in_words(tmp_path: Path) -> None:
    report, page = report_of(tmp_path, played())
    plan = report["policies"]["plan"]
    share = plan["pv_to_cars_utilisation"]
    assert share == pytest.approx(12 * 3 / (32 * 3))
    top = html.unescape(page[: page.index("<h2>")])
    assert f"{share:.1%} of the sun that the buildings left over went into the cars." in top
    assert "Sunmoov'" in top
    assert "67% on average and 80% on long summer days" in top
    assert "1 of 1 bookings that are over were served, 0 missed. Of 2 requests 1" in top
    assert f"cost {plan['energy_cost']:.2f} EUR" in top
    assert "Confluence, 1 day from 16 June 2026" in top


def test_every_policy_and_every_unit_is_named(tmp_path: Path) -> None:
    report, page = report_of(tmp_path, played())
    for words in ("plan, as played", "uncontrolled", "perfect foresight", "most sun possible"):
        assert words in page
    for unit in ("cost, EUR", "CO2, kg", "peak, kW", "cars, kWh", "sun and building, kW"):
        assert unit in page
    assert "1,234 in ocpp1.6" in page
    assert "Europe/Paris" in page
    assert set(report["policies"]) >= {"plan", "surplus"}


def test_what_another_planner_played_is_not_called_a_plan(tmp_path: Path) -> None:
    _, page = report_of(tmp_path, played(), planner="surplus")
    assert "as played (following the surplus)" in page
    assert "plan, as played" not in page


def test_names_from_a_scenario_are_text_and_no_markup(tmp_path: Path) -> None:
    _, page = report_of(tmp_path, played(name="<b>Arc & Co</b>"))
    assert "<b>Arc" not in page
    assert page.count("&lt;b&gt;Arc &amp; Co") >= 2


def test_faults_quirks_and_complaints_are_told_where_there_are_any(tmp_path: Path) -> None:
    _, page = report_of(tmp_path, played())
    assert "Complaints" not in page
    _, page = report_of(
        tmp_path,
        played(faults=("late-return",), quirks={"A-1": ("deaf",)}, complaints=("no <answer>",)),
    )
    assert "late-return" in page
    assert "A-1 (deaf)" in page
    assert "no &lt;answer&gt;" in page


def test_a_run_without_sun_or_bookings_has_a_report_too(tmp_path: Path) -> None:
    report, page = report_of(tmp_path, truth_of(site_truth(NOTHING)), service=view())
    assert report["policies"]["plan"]["pv_to_cars_utilisation"] is None
    assert headline(report, ENGLISH) == "There was no sun left over for the cars."
    assert "no sun left over" in page
    assert not any("Sunmoov" in paragraph for paragraph in story(report, ENGLISH))


def curves(svg: str) -> list[str]:
    """The lines of a picture that are no axes."""
    return re.findall(r'<path d="([^"]{400,})"', svg)


def test_of_each_step_the_newest_forecast_and_plan_are_shown(tmp_path: Path) -> None:
    """The service lists forecasts newest first."""
    old, new = forecast(0, [9_000.0] * 96), forecast(2, [4_000.0] * 88)
    plan: dict[str, Any] = {
        "start": format_rfc3339(at(0)),
        "steps": 96,
        "stays": [{"vehicle": "car-01", "site": SPEC.id, "evse": "NAU-1/1"}],
    }
    charging = {"evse": "NAU-1/1", "from_step": 44, "to_step": 56}
    plans = [
        plan | {"created_at": format_rfc3339(at(1)), "charging": [charging | {"power_w": 3_000.0}]},
        plan | {"created_at": format_rfc3339(at(0)), "charging": [charging | {"power_w": 500.0}]},
    ]
    pictures: list[str] = []
    for place, forecasts in enumerate(([new, old], [old, new])):
        folder = tmp_path / str(place)
        folder.mkdir()
        report_of(folder, played(), service=view(*forecasts), plans=plans[:: 1 - 2 * place])
        pictures.append((folder / "picture-02.svg").read_text())
    assert pictures[0] == pictures[1]
    shown = SiteSeries(
        forecast_w=[*([9_000.0] * 8), *([4_000.0] * 88)],
        planned_w=[3_000.0 if 44 <= step < 56 else 0.0 for step in range(96)],
    )
    truth = played()
    assert curves(site_picture(truth, truth.sites[0], shown, PARIS, ENGLISH)) == curves(pictures[0])


@pytest.mark.parametrize(
    ("limit_w", "words"), [(5_000.0, "grid limit, 5 kW"), (90_000.0, "grid limit 90 kW, far above")]
)
def test_the_grid_limit_is_shown_near_or_far(limit_w: float, words: str) -> None:
    site = site_truth(SUNNY, charging_power_w=CHARGED_W, import_limit_w=limit_w)
    series = SiteSeries(forecast_w=SUNNY, planned_w=CHARGED_W)
    assert words in site_picture(truth_of(site), site, series, PARIS, ENGLISH)


def test_a_sites_days_in_a_sentence() -> None:
    site = site_truth(SUNNY, load_power_w=(1_000.0,) * WORLD.steps, charging_power_w=CHARGED_W)
    assert site_caption(site, 0.25, ENGLISH) == (
        "Sun 32 kWh, building 24 kWh, cars 9 kWh, of which 9 kWh from the roof, 38% of what was"
        " left over. Highest import 1.0 kW of 36 kW allowed."
    )


def test_the_terminal_shows_every_column_on_a_narrow_screen(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, played())
    screen = StringIO()
    print_table(report, Console(file=screen, width=80))
    shown = screen.getvalue()
    assert "…" not in shown
    for words in ("missed", "perfect_foresight", "Sunmoov'", "1234 ocpp1.6"):
        assert words in shown


def test_names_are_no_markup_on_the_terminal(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, played())
    screen = StringIO()
    named = {**report, "scenario": "town [/x]", "currency": "[/y]"}
    print_table(named, Console(file=screen, width=200))
    assert "town [/x], " in screen.getvalue()


def test_one_plan_is_shown_with_its_reasons_and_names_are_text(tmp_path: Path) -> None:
    reason = {"code": "SUN", "numbers": {}, "sentence": "The roof has 3.7 kW to spare."}
    car = {"vehicle": "<b>car", "state": "charging", "at": "2026-06-15T10:00:00Z"}
    why = {"vehicles": [{**car, "reasons": [reason]}], "unserved": []}
    _, page = report_of(tmp_path, played(), service=replace(view(), why=why))
    assert "What each car did on 15 June at 12:00" in page
    assert "<td>SUN: The roof has 3.7 kW to spare.</td>" in page
    assert "&lt;b&gt;car" in page
    _, without = report_of(tmp_path, played())
    assert "One plan" not in without


def test_each_language_has_all_words_with_the_same_numbers() -> None:
    said = {
        language: {code: set(re.findall(r"{(\w+)}", text)) for code, text in table.items()}
        for language, table in TABLES.items()
    }
    assert said["fr"] == said["en"] == said["de"]
    assert set(said) == set(LANGUAGES)
    same = [
        code
        for code, text in TABLES["en"].items()
        if text in {TABLES["fr"][code], TABLES["de"][code]}
    ]
    assert same == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "fr",
            (
                "37,5\u00a0% du soleil laissé par les bâtiments est allé dans les voitures.",
                "Confluence, 1 jour à partir du 16 juin 2026",
                "Sunmoov', le service d'autopartage",
                "1\u202f234 en ocpp1.6",
                "coût, €",
                "soleil et bâtiment, kW",
                "Ce qui s'est passé d'autre",
            ),
        ),
        (
            "de",
            (
                "37,5\u00a0% der Sonne, die die Gebäude übrig ließen, gingen in die Autos.",
                "Confluence, 1 Tag ab dem 16. Juni 2026",
                "1.234 mit ocpp1.6",
                "Kosten, €",
                "Sonne und Gebäude, kW",
                "Was sonst geschah",
            ),
        ),
    ],
)
def test_a_report_is_read_in_another_language(
    tmp_path: Path, language: Language, words: tuple[str, ...]
) -> None:
    why = {
        "vehicles": [
            {"vehicle": "car-1", "state": "waiting", "at": "2026-06-16T10:00:00Z", "reasons": []}
        ],
        "unserved": [{"booking": "b-9", "reasons": []}],
    }
    report, page = report_of(
        tmp_path, played(), language=language, service=replace(view(), why=why)
    )
    text = html.unescape(page)
    for each in words:
        assert each in text, each
    assert f'<html lang="{language}">' in page
    state = {"fr": "attend", "de": "wartet"}[language]
    assert f"<td>car-1</td><td>{state}</td>" in page
    screen = StringIO()
    print_table(report, Console(file=screen, width=200), language)
    table = screen.getvalue()
    assert {"fr": "sans pilotage", "de": "ungesteuert"}[language] in table
    counted = {"fr": "Réservations terminées\u00a0: ", "de": "Buchungen, die vorbei sind: "}[
        language
    ]
    assert counted in table
    assert {"fr": "Limites envoyées aux bornes\u00a0: ", "de": "Grenzen an Stationen: "}[
        language
    ] in table
    assert not re.search(r"^(bookings|messages|limits|circuits): ", table, re.MULTILINE)
    following = StringIO()
    print_table({**report, "planner": "surplus"}, Console(file=following, width=80), language)
    told = " ".join(re.sub(r"[-+.,0-9]+ {2,}", "", following.getvalue()).split())
    assert {"fr": "tel que joué", "de": "wie gespielt"}[language] in told
    assert "…" not in told
    without_names = re.sub(r"report\.json|Sunmoov'|OCPP", "", text.split("</style>", 1)[1])
    for english in ("the ", " cars", "bookings", " sun"):
        assert english not in re.sub(r"<[^>]+>", " ", without_names), english
