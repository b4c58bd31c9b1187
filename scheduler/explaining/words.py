"""Reasons as sentences in English, French or German, with numbers as they are written there.

Each language is one table of templates, by code (`scheduler.explaining.languages`). What a number
is follows from its name's unit, so that a template only says where it stands.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from models.errors import BadInput, FieldError
from scheduler.documents import printable
from scheduler.explaining.languages import english, french, german
from scheduler.explaining.picture import Number, Reason
from scheduler.plan import ReasonCode

Language = Literal["en", "fr", "de"]

LANGUAGES: tuple[Language, ...] = get_args(Language)
MEANINGS: Mapping[ReasonCode, str] = english.MEANINGS
"""What each code of charging means, in English."""


_KILO = 1000


@dataclass(frozen=True, slots=True)
class _Speech:
    """How a language writes."""

    sentences: Mapping[str, str]
    decimal: str
    thousands: str
    instant: str
    none: str


_SPEECHES: Mapping[Language, _Speech] = {
    "en": _Speech(english.SENTENCES, ".", ",", "%d %b %H:%M UTC", "none"),
    "fr": _Speech(french.SENTENCES, ",", "\u202f", "%d/%m %H:%M UTC", "aucun"),
    "de": _Speech(german.SENTENCES, ",", ".", "%d.%m. %H:%M UTC", "keines"),
}


def check_language(name: str, field: str) -> Language:
    """Returns the language of that name.

    Raises:
        BadInput: naming `field`, if there are no sentences in it.
    """
    for language in LANGUAGES:
        if language == name:
            return language
    detail = f"must be one of {', '.join(LANGUAGES)}, not {printable(name[:40])!r}"
    raise BadInput(f"{field}: {detail}", [FieldError(field, detail)])


def heading(name: str, language: Language) -> str:
    """Returns the heading of a table or of a column of it."""
    return _SPEECHES[language].sentences[f"heading.{name}"]


def instant(moment: datetime, language: Language) -> str:
    """Returns an instant as it is written there, to the minute."""
    return moment.astimezone(UTC).strftime(_SPEECHES[language].instant)


def power(power_w: float, language: Language) -> str:
    """Returns a power as it is written there."""
    return _measured("power_w", power_w, _SPEECHES[language], "")


def accepted_language(header: str | None) -> Language:
    """Returns the language that an `Accept-Language` header likes best of ours, else English.

    What can't be read of it, or is none of ours, is passed over (RFC 9110, section 12.5.4).
    """
    best: tuple[float, Language] = (0.0, "en")
    for part in (header or "").split(","):
        name, _, rest = part.strip().partition(";")
        quality = _quality(rest)
        short = name.strip().split("-", maxsplit=1)[0].lower()
        for language in LANGUAGES:
            if language == short and quality > best[0]:
                best = quality, language
    return best[1]


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if not parameters.strip():
        return 1.0
    try:
        return float(value) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return 0.0


def sentence(reason: Reason, language: Language, currency: str) -> str:
    """Returns a reason in words.

    Args:
        reason: what is to be said.
        language: in which it is.
        currency: of the prices in it.
    """
    speech = _SPEECHES[language]
    shown = {name: _shown(name, each, speech, currency) for name, each in reason.numbers.items()}
    return speech.sentences[reason.says or reason.code].format_map(shown)


def _shown(name: str, number: Number, speech: _Speech, currency: str) -> str:
    match number:
        case None:
            return speech.none
        case datetime():
            return number.astimezone(UTC).strftime(speech.instant)
        case tuple():
            return ", ".join(number)
        case str():
            return number
        case _:
            return _measured(name, number, speech, currency)


def _measured(name: str, number: float, speech: _Speech, currency: str) -> str:
    """Returns a number with its unit, which is the last part of its name."""
    if name.endswith(("_per_kwh", "_per_kw")):
        return f"{_written(number, 3, speech)} {currency}/{'kWh' if name.endswith('h') else 'kW'}"
    if name.endswith("_price"):
        return f"{_written(number, 2, speech)} {currency}"
    unit = "Wh" if name.endswith("_wh") else "W" if name.endswith("_w") else ""
    if unit:
        small = abs(number) < _KILO - 0.5
        scaled = _written(number, 0, speech) if small else _written(number / _KILO, 1, speech)
        return f"{scaled} {unit}" if small else f"{scaled} k{unit}"
    if name == "probability_pct":  # never more than it is: 99.96 % is not sure
        return f"{_written(math.floor(number * 10 + 1e-6) / 10, 1, speech)} %"
    return _written(number, 0, speech) + (" %" if name.endswith("_pct") else "")


def _written(number: float, digits: int, speech: _Speech) -> str:
    # Rounded first: there is no "-0.0".
    text = f"{round(number, digits) + 0.0:,.{digits}f}"
    return text.translate(str.maketrans({",": speech.thousands, ".": speech.decimal}))
