"""A comparison says the same in English, French and German, with numbers as they are written."""

from __future__ import annotations

import re
from itertools import product
from typing import get_args

import pytest

from csms.readable.comparisons.facts import past_assumed, past_taken, taken, what_changes
from csms.readable.comparisons.page import comparison_page
from csms.readable.comparisons.words import TABLES, answers, headline, sentence, speech_of, told
from csms.readable.speech import Speech
from scheduler.explaining.words import LANGUAGES, Language
from simulators.amounts import Weather
from simulators.changes import Planner, changes_of
from simulators.past import ODD, ODDITIES, History
from tests.builders.comparisons import battery, compared, renovated, site
from tests.builders.truths import SCENARIO, SPEC, booking_truth

COUNTS = {
    "trips": 12.0,
    "trips_with_energy": 10.0,
    "trips_with_plug_in": 1.0,
    "sun_steps": 1234.0,
    "names_changed": 2.0,
    "soc_told": 1.0,
    "odd.phase_limits": 3.0,
    "odd.batteries_emptied": 0.0,
}


def numbers_in(text: str) -> list[str]:
    return sorted(set(re.findall(r"{(\w+)}", text)))


def test_each_language_has_all_words_with_the_same_numbers() -> None:
    said = {
        language: {code: numbers_in(text) for code, text in table.items()}
        for language, table in TABLES.items()
    }
    assert said["fr"] == said["en"] == said["de"]
    assert set(said) == set(LANGUAGES)


def test_what_was_not_played_may_be_stored_and_doubted() -> None:
    for language, word in (("en", "doubted"), ("fr", "doute"), ("de", "angezweifelt")):
        assert word in TABLES[language]["past.price_steps_assumed"]


def test_no_words_are_left_in_another_language() -> None:
    english = TABLES["en"]
    same = {
        code
        for code, text in english.items()
        if text in {TABLES["fr"][code], TABLES["de"][code]} and re.search(r"[a-z]", text)
    }
    assert same == {"share", "points"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_that_changes_can_be_said(language: Language) -> None:
    speech = speech_of(language)
    asked = changes_of(
        {
            "add_cars": [{"site": SPEC.id, "model": "city-145"}],
            "add_stations": [{"site": SPEC.id, "identity": "X-1", "kind": "twin-16"}],
            "remove_stations": ["NAU-F"],
            "pv": [
                {"site": SPEC.id, "factor": 0},
                {"site": SPEC.id, "factor": 1.5, "added_peak_power_w": 1_234_500},
            ],
            "prices": {
                "import_price_per_kwh": [0.1] * 23 + [0.3],
                "import_factor": 1.25,
                "export_price_per_kwh": 0.05,
            },
            "weather": list(get_args(Weather)),
            "buildings": [
                {
                    "site": SPEC.id,
                    "heat_loss_factor": 0.5,
                    "hot_water_factor": 0.9,
                    "load_factor": 0.8,
                    "heat_pump": {"flow_c": 42.5},
                }
            ],
            "batteries": [{"site": SPEC.id, "capacity_wh": 5000, "max_power_w": 2000}],
            "staff": [{"site": SPEC.id, "move_price": 3.5}],
            "planner": "surplus",
        },
        source="c",
    )
    lines = [sentence(each, speech) for each in what_changes(SCENARIO, asked)]
    assert len(lines) == 17
    assert not any("{" in line for line in lines)
    written = {
        "en": ("1,234 kW", "42.5 °C", "1.25", "3.50 EUR", "0.100 to 0.300 EUR/kWh"),
        "fr": ("1\u202f234\u00a0kW", "42,5\u00a0°C", "1,25", "3,50\u00a0€", "0,300\u00a0€/kWh"),
        "de": ("1.234\u00a0kW", "42,5\u00a0°C", "1,25", "3,50\u00a0€", "0,300\u00a0€/kWh"),
    }
    for words in written[language]:
        assert words in " ".join(lines)
    assert [speech.say(f"planner.{each}") for each in get_args(Planner)]


def test_every_figure_and_every_answer_has_words() -> None:
    much = (100_000.0,) * len(site().load_power_w)
    dark = site(pv_power_w=(0.0,) * len(much))
    other = {"planner": "surplus"}
    found = [
        renovated(),
        compared(
            site(), site(load_power_w=much), booking_truth("b-2", "missed", "car-01"), **other
        ),
        compared(dark, dark, booking_truth(None, "refused", None), title="x", **other),
    ]
    for comparison, language in product(found, LANGUAGES):
        speech = speech_of(language)
        page = comparison_page(comparison, language)
        assert f'<html lang="{language}">' in page
        assert "{" not in page.split("</style>")[1]
        assert len(answers(comparison, speech)) == 4
        assert headline(comparison, speech) in page.replace("&#x27;", "'")
        assert page.count("<li><span>") == 4, "bars need no picture"


def test_answers_are_those_of_the_figures() -> None:
    missed = booking_truth("b-2", "missed", "car-01")
    refused = booking_truth(None, "refused", None)
    comparison = compared(site(), site(battery=battery()), missed, refused, weather=["clear"])
    cost, sun, cars, carbon = answers(comparison, speech_of("fr"))
    assert (cost.figure, carbon.figure) == ("\u22120,45\u00a0€", "\u22120,1\u00a0kg")
    assert sun.figure == "15\u00a0%"
    assert cars.figure == "2"
    assert cars.sentences[0].startswith("Voitures promises qui n'étaient pas là\u00a0: 1")
    assert cars.sentences[1].startswith("Demandes qui n'ont pas pu être satisfaites\u00a0: 1 sur 3")
    nobody = answers(renovated(), speech_of("fr"))[2]
    assert (nobody.figure, nobody.sentences[0][:19]) == ("Personne", "Toutes les voitures")


@pytest.mark.parametrize("language", LANGUAGES)
def test_days_that_have_been_are_told_from_their_counts(language: Language) -> None:
    speech = speech_of(language)
    lines = [sentence(each, speech) for each in (*past_taken(COUNTS), *past_assumed(COUNTS, 7))]
    assert len(lines) == 5 + 3 + 1 + 2 + 1
    text = " ".join(lines)
    number = {"en": "1,234", "fr": "1\u202f234", "de": "1.234"}[language]
    assert number in text
    assert speech.say("odd.phase_limits") in text
    assert speech.say("odd.batteries_emptied") not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_oddity_that_a_file_may_count_has_words(language: Language) -> None:
    known = {code for code in TABLES[language] if code.startswith(ODD)}
    assert known == {f"{ODD}{name}" for name in ODDITIES}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("1 fewer booking is served", "2 more bookings are served", "1 booking served")),
        (
            "fr",
            (
                "1 réservation de moins est honorée",
                "2 réservations de plus sont honorées",
                "1 réservation honorée",
            ),
        ),
        (
            "de",
            ("1 Buchung weniger wird", "2 Buchungen mehr werden", "1 Buchung bedient"),
        ),
    ],
)
def test_one_thing_is_not_told_as_many(language: Language, words: tuple[str, ...]) -> None:
    speech, comparison = speech_of(language), renovated()
    figures = comparison["changed"]["figures"]

    def told_with(served: int, **more: int) -> str:
        side = {**comparison["changed"], "figures": {**figures, "bookings_served": served, **more}}
        other = {**comparison, "changed": side}
        cars = answers(other, speech)[2].sentences
        return " ".join([headline(other, speech), *cars])

    today = comparison["today"]["figures"]["bookings_served"]
    assert today == 1
    for text, expected in zip(
        (told_with(0, bookings_missed=1), told_with(3), told_with(1, wishes=1)), words, strict=True
    ):
        assert expected in text
    one = {"en": "The one wish", "fr": "La seule demande", "de": "Der eine Wunsch"}[language]
    assert one in told_with(1, wishes=1)
    (again, *_) = past_assumed(COUNTS, 1)
    assert "1" not in sentence(again, speech)
    assert "(" not in sentence(again, speech)


def test_days_that_an_older_version_has_drawn_stay_as_written() -> None:
    past = History(bookings=(), counts={"trips": 1.0}, taken=("All {of} it.",))
    assert [sentence(each, speech_of("de")) for each in taken(past)] == ["All {of} it."]


def test_facts_are_read_again_from_a_document() -> None:
    found = told(renovated(), "what_changes", speech_of("de"))
    assert found == ["Place Nautique bekommt eine Batterie mit 5\u00a0kWh und 2\u00a0kW."]
    assert renovated()["what_changes"] == ["Place Nautique gets a battery of 5 kWh and 2 kW."]
    assert told(renovated(), "taken", speech_of("de")) == []


@pytest.mark.parametrize(
    ("language", "number", "day"),
    [
        ("en", "-1,234.5 kWh", "01 August 2026"),
        ("fr", "\u22121\u202f234,5\u00a0kWh", "1er août 2026"),
        ("de", "\u22121.234,5\u00a0kWh", "1. August 2026"),
    ],
)
def test_numbers_and_dates_are_written_as_the_language_does(
    language: Language, number: str, day: str
) -> None:
    speech = Speech(language, TABLES)
    assert speech.measure(-1234.5, "kWh", 1) == number
    assert speech.day(SCENARIO.start.date().replace(month=8, day=1)) == day
    assert speech.number(-0.04, 1, sign=True) in {"0.0", "0,0"}


def test_french_marks_keep_to_their_words() -> None:
    speech = Speech("fr", {"fr": {"x": "A : {name} ; « b » ?"}, "en": {}, "de": {}})
    assert speech.say("x", name="c : d") == "A\u00a0: c : d\u202f; «\u00a0b\u00a0»\u202f?"


def test_none_and_one_are_one_in_french_alone() -> None:
    counted = {
        language: [
            speech_of(language).counted("title", days, name="", day="") for days in (0, 1, 2)
        ]
        for language in LANGUAGES
    }
    assert [text.split()[1] for text in counted["fr"]] == ["0", "1", "2"]
    assert ["jours" in text for text in counted["fr"]] == [False, False, True]
    assert ["days" in text for text in counted["en"]] == [True, False, True]
