"""A comparison: figures of two runs side by side, and the page that says them in words."""

from __future__ import annotations

import html
import re

import pytest

from csms.commands.report.comparing import figures_of
from csms.commands.report.comparison_table import show_comparison
from csms.commands.report.figures import write_json
from csms.readable.comparisons.page import comparison_page
from csms.readable.comparisons.words import Row, headline, rows, speech_of
from simulators.scorecard import HeatTruth
from tests.builders.comparisons import CARS, STEPS, battery, compared, lived, site
from tests.builders.truths import SPEC, booking_truth

ENGLISH = speech_of("en")


def text_of(page: str) -> str:
    return html.unescape(
        re.sub(r"<svg.*?</svg>|<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    )


def test_energy_is_where_it_came_from_and_where_it_went() -> None:
    told = figures_of(lived(site()))
    assert (told["sun_kwh"], told["buildings_kwh"], told["cars_kwh"]) == (40, 24, 6)
    assert (told["sun_to_buildings_kwh"], told["sun_to_cars_kwh"]) == (5, 6)
    assert (told["sold_kwh"], told["bought_kwh"]) == (29, 19)
    assert (told["bought_cost"], told["sold_revenue"]) == (3.8, 1.45)
    assert told["sun_used_share"] == pytest.approx(11 / 40)
    assert (told["peak_import_kw"], told["co2_kg"]) == (1, 0.95)
    left = told["bought_cost"] - told["sold_revenue"] - told["stored_value"]
    assert told["cost"] == pytest.approx(left)
    assert told["stored_value"] == pytest.approx(0.1 * told["stored_kwh"])


def test_a_battery_moves_sun_to_the_evening() -> None:
    plain, told = figures_of(lived(site())), figures_of(lived(site(battery=battery())))
    assert (told["sun_to_batteries_kwh"], told["from_batteries_kwh"]) == (4, 3)
    assert told["bought_kwh"] == plain["bought_kwh"] - 3
    assert told["sold_kwh"] == plain["sold_kwh"] - 4
    assert told["stored_kwh"] == pytest.approx(plain["stored_kwh"] + 0.5)


def test_cars_that_give_back_take_no_sun() -> None:
    back_w = tuple(-2_000.0 if 80 <= step < 88 else cars_w for step, cars_w in enumerate(CARS))
    plain, told = figures_of(lived(site())), figures_of(lived(site(charging_power_w=back_w)))
    assert told["sun_to_cars_kwh"] == plain["sun_to_cars_kwh"] == 6
    assert told["sun_used_share"] == plain["sun_used_share"]


def test_a_boiler_burns_money_and_carbon() -> None:
    fuel_w = (10_000.0,) * STEPS
    boiler = HeatTruth((9_000.0,) * STEPS, (0.0,) * STEPS, fuel_w, 0.1, 227.0)
    told = figures_of(lived(site(heat=boiler)))
    assert (told["heat_kwh"], told["fuel_kwh"], told["fuel_cost"]) == (216, 240, 24)
    assert told["co2_kg"] == pytest.approx(0.95 + 240 * 0.227)


def test_more_than_the_grid_takes_is_not_sold() -> None:
    told = figures_of(lived(site(export_limit_w=1_000.0)))
    assert told["sold_kwh"] == 5


def test_differences_are_of_every_number_that_both_have() -> None:
    told = compared(site(), site(battery=battery()), weather=["clear"])
    gap = told["difference"]
    assert gap["figures"]["bought_kwh"] == -3
    assert gap["sites"][SPEC.id]["sun_to_batteries_kwh"] == 4
    assert gap["report"]["policies"]["plan"]["energy_to_cars_wh"] == 0
    assert "scenario" not in gap["report"]
    assert write_json(told) == write_json(
        compared(site(), site(battery=battery()), weather=["clear"])
    )


def test_a_town_without_sun_has_a_comparison_too() -> None:
    dark = site(pv_power_w=(0.0,) * STEPS)
    told = compared(dark, dark, weather=["overcast"])
    assert told["today"]["figures"]["sun_used_share"] is None
    assert "sun_used_share" not in {row.figure for row in rows(told, ENGLISH)}
    assert (
        "energy costs the same, CO2 is the same, and as many bookings are served (1)"
        in (told["headline"])
    )
    text = text_of(comparison_page(told))
    assert "goes into cars?   no sun The roofs give no sun in these days." in text


def test_names_of_towns_and_money_are_no_markup_of_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = compared(site(), site(), weather=["clear"]) | {"scenario": "a[/b]", "currency": "[/c]"}
    show_comparison(told, as_json=False)
    shown = capsys.readouterr().out
    assert "A[/b], 1 day" in shown
    assert "0.00 [/c]" in shown


def test_small_things_are_not_said_to_be_nothing() -> None:
    told = compared(
        site(),
        site(),
        pv=[{"site": SPEC.id, "added_peak_power_w": 40}],
        batteries=[{"site": SPEC.id, "capacity_wh": 2_500_000, "max_power_w": 300}],
    )
    assert told["what_changes"] == [
        "Place Nautique gets 0.04 kW of solar panels more.",
        "Place Nautique gets a battery of 2,500 kWh and 0.3 kW.",
    ]


def test_the_table_adds_up_to_the_whole_and_its_shares_differ_by_points() -> None:
    told = compared(site(), site(battery=battery()), weather=["clear"])
    for side in ("today", "changed"):
        shown = {row.figure: told[side]["figures"][row.figure] for row in rows(told, ENGLISH)}
        bought = shown["bought_cost"] + shown.get("fuel_cost", 0.0)
        assert bought - shown["sold_revenue"] - shown["stored_value"] == pytest.approx(
            shown["cost"]
        )
    assert re.search(r"[+-]\d+ points", text_of(comparison_page(told)))


def test_one_side_without_sun_says_so() -> None:
    told = compared(site(), site(pv_power_w=(0.0,) * STEPS), pv=[{"site": SPEC.id, "factor": 0}])
    text = text_of(comparison_page(told))
    assert "no sun" in text
    assert "The solar plant of Place Nautique is taken down." in text


def test_the_page_says_what_is_different_and_what_it_comes_to() -> None:
    missed = booking_truth("b-2", "missed", "car-01")
    told = compared(
        site(),
        site(battery=battery()),
        missed,
        title="A <b>bold</b> plan",
        add_cars=[{"site": SPEC.id, "model": "city-145", "count": 2}],
        remove_stations=["NAU-F"],
        batteries=[{"site": SPEC.id, "capacity_wh": 5000, "max_power_w": 2000}],
        prices={"import_factor": 1.2, "export_price_per_kwh": 0.05},
        planner="surplus",
    )
    page = comparison_page(told)
    assert "<b>bold" not in page
    assert not re.search(r"<script|<img|<link|@import", page)
    text = text_of(page)
    assert "A <b>bold</b> plan: in 1 day energy costs " in text
    assert "of those promised 1 missed" in text
    for words in (
        "Place Nautique gets 2 more cars (City four-seater, 14.5 kWh).",
        "The charging station NAU-F is lost.",
        "Place Nautique gets a battery of 5 kWh and 2 kW.",
        "Electricity costs 1.2 times as much.",
        "Sun that is sold earns 0.050 EUR/kWh.",
        "Cars are charged with the surplus of the sun.",
        "The battery works by the plan",
        "So few days say little of a year",
        "seed 1",
    ):
        assert words in text


def test_the_page_says_of_a_battery_what_it_follows() -> None:
    own = {"site": SPEC.id, "capacity_wh": 5000, "max_power_w": 2000, "follows": "meter"}
    told = compared(site(), site(battery=battery()), batteries=[own])
    text = text_of(comparison_page(told))
    assert "The battery works by itself" in text
    assert "works by the plan" not in text


@pytest.mark.parametrize(
    ("value", "sign", "shown"),
    [
        (1234.4, False, "1,234 kWh"),
        (-1234.6, True, "-1,235 kWh"),
        (12.0, True, "+12 kWh"),
        (-0.2, True, "0 kWh"),
        (0.2, True, "0 kWh"),
        (None, False, "no sun"),
    ],
)
def test_numbers_are_round_and_have_a_unit(value: float | None, *, sign: bool, shown: str) -> None:
    assert Row("x", "kWh").shown(value, ENGLISH, sign=sign) == shown


def test_little_is_shown_in_parts() -> None:
    shown = {
        row.figure: row.digits for row in rows(compared(site(), site(), weather=["clear"]), ENGLISH)
    }
    assert (shown["cost"], shown["bought_kwh"], shown["bookings_served"]) == (2, 1, 0)
    much = site(load_power_w=(100_000.0,) * STEPS)
    shown = {
        row.figure: row.digits for row in rows(compared(much, much, weather=["clear"]), ENGLISH)
    }
    assert (shown["cost"], shown["bought_kwh"], shown["peak_import_kw"]) == (0, 0, 1)


def test_a_headline_without_a_title_begins_by_itself() -> None:
    told = compared(site(), site(), weather=["clear"])
    assert headline(told, ENGLISH).startswith("With these changes: in 1 day ")


def test_the_name_of_a_scenario_is_no_markup_on_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {**compared(site(), site(), weather=["clear"]), "scenario": "town [/x]"}
    show_comparison(found, as_json=False)
    assert "Town [/x], 1 day" in capsys.readouterr().out
