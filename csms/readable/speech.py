"""How a language writes numbers, dates and sentences.

Three languages need a few marks and twelve names of months each: a library of all the world's
languages would be many megabytes for that. Spaces that must not break are U+00A0 and, before
French marks and in French thousands, the narrow U+202F.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from scheduler.explaining.words import Language

Tables = Mapping[Language, Mapping[str, str]]
"""By language and code: a sentence with the names of its numbers in braces."""

_MONTHS: Mapping[Language, str] = {
    "en": "January February March April May June July August September October November December",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
}
_SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$"}
_FRENCH_MARKS = {
    " :": "\u00a0:",
    " ;": "\u202f;",
    " ?": "\u202f?",
    " !": "\u202f!",
    "« ": "«\u00a0",
    " »": "\u00a0»",
}


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a language writes numbers."""

    decimal: str
    thousands: str
    minus: str
    gap: str
    """Between a number and its unit."""
    percent: str
    """With the gap before it."""


_MANNERS: Mapping[Language, _Manner] = {
    "en": _Manner(".", ",", "-", " ", "%"),
    "fr": _Manner(",", "\u202f", "\u2212", "\u00a0", "\u00a0%"),
    "de": _Manner(",", ".", "\u2212", "\u00a0", "\u00a0%"),
}


class Speech:
    """Says sentences of some tables in one language."""

    def __init__(self, language: Language, tables: Tables) -> None:
        self.language: Language = language
        self._sentences = tables[language]
        self._manner = _MANNERS[language]

    def say(self, code: str, **shown: str) -> str:
        """Returns the sentence of a code, with numbers as they are already written."""
        sentence = self._sentences[code]
        if self.language == "fr":
            for loose, tied in _FRENCH_MARKS.items():
                sentence = sentence.replace(loose, tied)
        return sentence.format_map(shown)

    def knows(self, code: str) -> bool:
        """Returns whether there are words for a code."""
        return code in self._sentences

    def counted(self, code: str, count: int, **shown: str) -> str:
        """Returns the sentence of a code for so many: `CODE.one` of one thing, else `CODE.many`."""
        one = count in {0, 1} if self.language == "fr" else count == 1
        return self.say(f"{code}.{'one' if one else 'many'}", count=self.number(count), **shown)

    def number(self, value: float, digits: int = 0, *, sign: bool = False) -> str:
        """Returns a number with so many digits after the mark; with `sign`, a plus has one too."""
        rounded = round(value, digits) + 0.0  # no minus before nothing
        text = f"{rounded:{'+' if sign and rounded else ''},.{digits}f}"
        manner = self._manner
        marks = {",": manner.thousands, ".": manner.decimal, "-": manner.minus}
        return text.translate(str.maketrans(marks))

    def short(self, value: float, digits: int = 3) -> str:
        """Returns a number with as many digits after the mark as it needs, so many at most."""
        text = f"{value:.{digits}f}"
        needed = len(text.rstrip("0").partition(".")[2]) if "." in text else 0
        return self.number(value, needed)

    def measure(self, value: float, unit: str, digits: int = 0, *, sign: bool = False) -> str:
        """Returns a number with its unit; without a unit, the number alone."""
        return self.with_unit(self.number(value, digits, sign=sign), unit)

    def with_unit(self, number: str, unit: str) -> str:
        """Returns a number that is already written with its unit."""
        if unit == "%":
            return f"{number}{self._manner.percent}"
        return f"{number}{self._manner.gap}{unit}" if unit else number

    def percent(self, share: float, digits: int = 0) -> str:
        """Returns a share of 0 to 1 in percent."""
        return self.measure(100 * share, "%", digits)

    def currency(self, code: str) -> str:
        """Returns how a currency is written behind a number; English keeps its code."""
        return code if self.language == "en" else _SYMBOLS.get(code, code)

    def day(self, day: date) -> str:
        """Returns a date in words."""
        return f"{self.day_of_year(day)} {day.year}"

    def day_of_year(self, day: date) -> str:
        """Returns a date in words without its year."""
        month = _MONTHS[self.language].split()[day.month - 1]
        match self.language:
            case "en":
                return f"{day.day:02} {month}"
            case "fr":
                return f"{'1er' if day.day == 1 else day.day} {month}"
            case "de":
                return f"{day.day}. {month}"
