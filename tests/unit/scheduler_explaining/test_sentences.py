"""Sentences in English, French and German say the same, with numbers as they are written there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import get_args

import pytest

from models.errors import BadInput
from scheduler.admit import ReasonCode as RefusalCode
from scheduler.explaining.languages import english, french, german
from scheduler.explaining.picture import Reason
from scheduler.explaining.words import (
    LANGUAGES,
    MEANINGS,
    Language,
    accepted_language,
    check_language,
    sentence,
)
from scheduler.plan import MoveReason, ReasonCode, UnservedCode

TABLES = {"en": english.SENTENCES, "fr": french.SENTENCES, "de": german.SENTENCES}


def numbers_in(text: str) -> list[str]:
    return sorted(re.findall(r"{(\w+)}", text))


def test_each_language_says_each_code_with_the_same_numbers() -> None:
    said = {
        language: {code: numbers_in(text) for code, text in table.items()}
        for language, table in TABLES.items()
    }
    assert said["fr"] == said["en"] == said["de"]
    assert set(TABLES) == set(LANGUAGES)


def test_no_sentence_is_left_in_another_language() -> None:
    same = [code for code, text in english.SENTENCES.items() if text in french.SENTENCES[code]]
    same += [code for code, text in english.SENTENCES.items() if text == german.SENTENCES[code]]
    assert same == []


def test_every_code_has_a_meaning_and_a_sentence() -> None:
    assert set(MEANINGS) == set(get_args(ReasonCode))
    heads = {code.split(".", maxsplit=1)[0] for code in english.SENTENCES}
    codes = {*get_args(ReasonCode), *get_args(UnservedCode), *get_args(RefusalCode)}
    assert codes | {*get_args(MoveReason)} <= heads


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Energy costs 0.205 EUR/kWh now, 0.300 EUR/kWh on average and up to 1,234.500"),
        ("fr", "L'énergie coûte 0,205 EUR/kWh maintenant, 0,300 EUR/kWh en moyenne et jusqu'à 1"),
        ("de", "Energie kostet jetzt 0,205 EUR/kWh, im Mittel 0,300 EUR/kWh und bis zu 1.234,500"),
    ],
)
def test_numbers_are_written_as_the_language_does(language: Language, said: str) -> None:
    prices = {"price_per_kwh": 0.205, "mean_price_per_kwh": 0.3, "dearest_price_per_kwh": 1234.5}
    assert sentence(Reason("PRICE", prices), language, "EUR").startswith(said)


def test_small_amounts_are_told_in_small_units() -> None:
    holds = {"soc_wh": 12_340.0, "booking": "b-1", "need_wh": 999.6, "pickup_at": None}
    said = sentence(Reason("ENOUGH_FOR", holds), "de", "EUR")
    assert said.startswith("Es hat 12,3 kWh;")
    assert said.endswith("braucht 1,0 kWh.")
    assert sentence(Reason("MINIMUM", {"min_power_w": 40.2}), "en", "EUR").endswith(" 40 W.")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "On the road with b-1 until 15 Jun 07:30 UTC."),
        ("fr", "En route avec b-1 jusqu'au 15/06 07:30 UTC."),
        ("de", "Unterwegs mit b-1 bis 15.06. 07:30 UTC."),
    ],
)
def test_instants_are_written_as_each_language_writes_them(language: Language, said: str) -> None:
    back_at = datetime(2026, 6, 15, 7, 30, tzinfo=UTC)
    reason = Reason("TRIP", {"booking": "b-1", "back_at": back_at})
    assert sentence(reason, language, "EUR") == said


def test_names_are_not_read_as_templates() -> None:
    reason = Reason("FIXED_VEHICLE", {"vehicle": "{soc_wh} {0}"})
    assert sentence(reason, "en", "EUR") == "The booking is for {soc_wh} {0} alone."


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "fr"),
        ("it, de;q=0.3, en;q=0.2", "de"),
        ("de;q=0", "en"),
        ("de;q=nan, fr;q=x, ;;;", "en"),
        ("en;q=0.1, DE-at;q=0.2", "de"),
        ("de;Q=0.2, en;q=0.1", "de"),
    ],
)
def test_the_language_that_is_liked_best_is_taken(header: str | None, language: str) -> None:
    assert accepted_language(header) == language


def test_a_language_that_is_not_spoken_is_named() -> None:
    with pytest.raises(BadInput, match="en, fr, de, not 'it'") as wrong:
        check_language("it", "--language")
    assert wrong.value.errors[0].field == "--language"
