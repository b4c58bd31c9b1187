"""A comparison in words, in any of the languages: from its document alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from csms.readable.comparisons import english, french, german
from csms.readable.comparisons.facts import Said
from csms.readable.speech import Speech, Tables
from models.timeline import parse_rfc3339
from scheduler.explaining.words import Language

TABLES: Tables = {"en": english.SENTENCES, "fr": french.SENTENCES, "de": german.SENTENCES}
SMALL = 100
"""Below so many EUR, kWh or kg, a line shows parts of them."""
_FINER = {"kWh": 1, "kg": 1}
"""With how many digits a line shows parts of them; of money with two."""
_FEW = 0.1
"""A smaller share is told in tenths of a percent."""
_KILO = 1000
_COUNTED = {"cars": "count", "past.again": "days"}
"""Sentences that are others for one thing than for many, by the number of things."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    figure: str
    """Its name in `figures`."""
    unit: str
    digits: int = 0
    factor: float = 1.0

    def says(self, value: float | None) -> bool:
        """Returns whether a value would be more than a nought."""
        return value is not None and bool(round(value * self.factor, self.digits))

    def shown(self, value: float | None, speech: Speech, *, sign: bool = False) -> str:
        """Returns a value with its unit; a difference has its sign."""
        if value is None:
            return speech.say("no_sun")
        unit = speech.say("points") if sign and self.unit == "%" else self.unit
        return speech.measure(value * self.factor, unit, self.digits, sign=sign)


_MONEY = "money"
_ROWS = (
    Row("cost", _MONEY),
    Row("bought_kwh", "kWh"),
    Row("bought_cost", _MONEY),
    Row("fuel_kwh", "kWh"),
    Row("fuel_cost", _MONEY),
    Row("sold_kwh", "kWh"),
    Row("sold_revenue", _MONEY),
    Row("stored_value", _MONEY),
    Row("co2_kg", "kg"),
    Row("peak_import_kw", "kW", 1),
    Row("sun_used_share", "%", factor=100.0),
    Row("sun_to_buildings_kwh", "kWh"),
    Row("sun_to_cars_kwh", "kWh"),
    Row("sun_to_batteries_kwh", "kWh"),
    Row("heat_pump_kwh", "kWh"),
    Row("cars_kwh", "kWh"),
    Row("cars_moved", ""),
    Row("moves_cost", _MONEY),
    Row("bookings_served", ""),
    Row("wishes_refused", ""),
    Row("bookings_missed", ""),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reader asks first, and the answer."""

    question: str
    figure: str
    """The answer in a word."""
    sentences: Sequence[str]


def speech_of(language: Language) -> Speech:
    """Returns who says comparisons in a language."""
    return Speech(language, TABLES)


def rows(comparison: Mapping[str, Any], speech: Speech) -> list[Row]:
    """Returns the lines that have something to say, in order."""
    today, other = _both(comparison)
    always = {"cost", "bookings_served", "wishes_refused", "bookings_missed"}
    if comparison["changes"]["batteries"]:
        always.add("sun_to_batteries_kwh")
    finer = [replace(row, digits=_digits(row, today, other)) for row in _ROWS]
    money = speech.currency(comparison["currency"])
    return [
        replace(row, unit=money) if row.unit == _MONEY else row
        for row in finer
        if row.figure in always
        or row.says(today.get(row.figure))
        or row.says(other.get(row.figure))
    ]


def _digits(row: Row, today: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """Returns how many digits a line shows: more where there is little."""
    more = {**_FINER, _MONEY: 2}.get(row.unit, row.digits)
    most = max(abs(side.get(row.figure) or 0.0) for side in (today, other))
    return row.digits if most >= SMALL else more


def _both(comparison: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return comparison["today"]["figures"], comparison["changed"]["figures"]


def title_of(comparison: Mapping[str, Any], speech: Speech) -> str:
    """Returns what was played, and when."""
    start = parse_rfc3339(comparison["start"]).astimezone(ZoneInfo(comparison["timezone"]))
    name = str(comparison["scenario"])
    name = name[:1].upper() + name[1:]
    return speech.counted("title", comparison["days"], name=name, day=speech.day(start.date()))


def headline(comparison: Mapping[str, Any], speech: Speech) -> str:
    """Returns what it comes to, in one sentence."""
    today, other = _both(comparison)
    money = speech.currency(comparison["currency"])
    return speech.counted(
        "headline",
        comparison["days"],
        title=comparison["title"] or speech.say("untitled"),
        cost=_moved("cost", today["cost"], other["cost"], money, speech),
        carbon=_moved("carbon", today["co2_kg"], other["co2_kg"], "kg", speech),
        bookings=_bookings(today, other, speech),
    )


def _moved(code: str, today: float, other: float, unit: str, speech: Speech) -> str:
    change, digits = other - today, _fine(today, other, unit)
    if round(abs(change), digits) == 0:
        return speech.say(f"{code}.same")
    share = abs(change) / abs(today) if abs(today) >= 1 else 2.0
    shown = speech.say("share", share=speech.percent(share)) if share <= 1 else ""
    way = "less" if change < 0 else "more"
    amount = speech.measure(abs(change), unit, digits)
    return speech.say(f"{code}.{way}", change=amount, share=shown)


def _fine(today: float, other: float, unit: str) -> int:
    return 0 if max(abs(today), abs(other)) >= SMALL else _FINER.get(unit, 2)


def _bookings(today: Mapping[str, Any], other: Mapping[str, Any], speech: Speech) -> str:
    missed = other["bookings_missed"]
    more = other["bookings_served"] - today["bookings_served"]
    served = speech.say("served.same", today=speech.number(today["bookings_served"]))
    if more:
        way = "more" if more > 0 else "fewer"
        served = speech.counted(f"served.{way}", abs(more))
    if not missed:
        return speech.say("missed.none", served=served)
    return speech.counted("missed.some", missed, served=served)


def answers(comparison: Mapping[str, Any], speech: Speech) -> list[Reply]:
    """Returns what a town councillor asks first, with the answers."""
    today, other = _both(comparison)
    money = speech.currency(comparison["currency"])
    return [
        _amounts("cost", today["cost"], other["cost"], money, speech),
        _sun(today, other, speech),
        _cars(today, other, speech),
        _amounts("carbon", today["co2_kg"], other["co2_kg"], "kg", speech),
    ]


def _amounts(code: str, today: float, other: float, unit: str, speech: Speech) -> Reply:
    digits = _fine(today, other, unit)
    both = {
        side: speech.measure(value, unit, digits)
        for side, value in (("today", today), ("other", other))
    }
    change = speech.measure(other - today, unit, digits, sign=True)
    return Reply(speech.say(f"asks.{code}"), change, [speech.say(f"answer.{code}", **both)])


def _sun(today: Mapping[str, Any], other: Mapping[str, Any], speech: Speech) -> Reply:
    asks = speech.say("asks.sun")
    if not other["sun_kwh"]:
        return Reply(asks, speech.say("no_sun"), [speech.say("answer.no_sun")])
    shares = {
        name: _share(side["sun_to_cars_kwh"], side[whole], speech)
        for name, side, whole in (
            ("into", other, "sun_kwh"),
            ("into_today", today, "sun_kwh"),
            ("of_cars", other, "cars_kwh"),
            ("of_cars_today", today, "cars_kwh"),
        )
    }
    used = {
        name: speech.say("no_sun")
        if side["sun_used_share"] is None
        else speech.percent(side["sun_used_share"])
        for name, side in (("used", other), ("used_today", today))
    }
    return Reply(asks, shares["into"], [speech.say("answer.sun", **shares, **used)])


def _share(part: float, whole: float, speech: Speech) -> str:
    share = part / whole if whole > 0 else 0.0
    return speech.percent(share, 1 if 0 < share < _FEW else 0)


def _cars(today: Mapping[str, Any], other: Mapping[str, Any], speech: Speech) -> Reply:
    asks = speech.say("asks.cars")
    if not other["wishes"]:
        return Reply(asks, speech.say("nobody"), [speech.say("answer.no_wishes")])
    numbers = {
        **{name: speech.number(other[figure]) for name, figure in _OF_CARS.items()},
        **{f"{name}_today": speech.number(today[figure]) for name, figure in _OF_CARS.items()},
    }
    missed, refused = other["bookings_missed"], other["wishes_refused"]
    left = speech.number(missed + refused) if missed + refused else speech.say("nobody")
    served, wishes = other["bookings_served"], other["wishes"]
    sentences = [
        speech.say("answer.cars.missed", **numbers)
        if missed
        else speech.counted("answer.cars.none", served, **numbers),
        speech.say("answer.cars.refused", **numbers)
        if refused
        else speech.counted("answer.cars.all_met", wishes, **numbers),
    ]
    return Reply(asks, left, sentences)


_OF_CARS = {
    "served": "bookings_served",
    "missed": "bookings_missed",
    "refused": "wishes_refused",
    "wishes": "wishes",
}


def told(comparison: Mapping[str, Any], what: str, speech: Speech) -> list[str]:
    """Returns sentences of a comparison that is read again.

    Args:
        comparison: with what it has `told`.
        what: which of them.
        speech: of the language.
    """
    found = msgspec.convert(comparison["told"].get(what, ()), list[Said])
    return [sentence(each, speech) for each in found]


def sentence(said: Said, speech: Speech) -> str:
    """Returns a sentence in a language."""
    if said.code == "as_written":
        return str(said.numbers["text"])
    money = speech.currency(str(said.numbers.get("currency", "")))
    shown = {name: _shown(name, each, money, speech) for name, each in said.numbers.items()}
    counted = _COUNTED.get(said.code)
    if counted is not None:
        return speech.counted(said.code, int(said.numbers[counted]), **_without(shown, "count"))
    if "odd" in shown:
        shown["what"] = speech.say(str(said.numbers["odd"]))
    return speech.say(said.code, **shown)


def _without(shown: Mapping[str, str], name: str) -> dict[str, str]:
    return {each: text for each, text in shown.items() if each != name}


def _shown(name: str, value: Any, money: str, speech: Speech) -> str:
    """Returns a number of a sentence with its unit, which is the last part of its name."""
    if name == "weather":
        return ", ".join(speech.say(f"weather.{each}") for each in value)
    if name == "planner":
        return speech.say(f"planner.{value}")
    if isinstance(value, str) or name == "seed":
        return str(value)
    unit = name.rpartition("_")[2]
    if unit in {"wh", "w"}:
        number = speech.short(value / _KILO, 0 if value >= SMALL * _KILO else 3)
        return speech.with_unit(number, "kWh" if unit == "wh" else "kW")
    written = {
        "share": lambda: speech.percent(value),
        "price": lambda: speech.measure(value, money, 2),
        "stored_per_kwh": lambda: speech.measure(value, f"{money}/kWh", 2),
        "low_price": lambda: speech.number(value, 3),
        "high_per_kwh": lambda: speech.measure(value, f"{money}/kWh", 3),
        "price_per_kwh": lambda: speech.measure(value, f"{money}/kWh", 3),
        "flow_c": lambda: speech.with_unit(speech.short(value), "°C"),
        "factor": lambda: speech.short(value, 4),
    }.get(name)
    return speech.number(value) if written is None else written()
