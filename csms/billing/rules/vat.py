"""VAT numbers of the European Union: their form by country, and their check digits. Pure, offline.

Whether a number has been given to anybody is known to the countries alone; this says whether it can
be one. Countries whose check digits are not known here are judged by form.

Source: European Commission, VIES, "VAT identification number structure"; the check digits are those
that the tax offices publish.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

_FORMS: Mapping[str, str] = {
    "AT": r"U\d{8}",
    "BE": r"[01]\d{9}",
    "BG": r"\d{9,10}",
    "CY": r"\d{8}[A-Z]",
    "CZ": r"\d{8,10}",
    "DE": r"[1-9]\d{8}",
    "DK": r"\d{8}",
    "EE": r"\d{9}",
    "EL": r"\d{9}",
    "ES": r"[A-Z0-9]\d{7}[A-Z0-9]",
    "FI": r"\d{8}",
    "FR": r"[A-HJ-NP-Z0-9]{2}\d{9}",
    "HR": r"\d{11}",
    "HU": r"\d{8}",
    "IE": r"\d[A-Z0-9+*]\d{5}[A-Z]|\d{7}[A-W][A-I]",
    "IT": r"\d{11}",
    "LT": r"\d{9}|\d{12}",
    "LU": r"\d{8}",
    "LV": r"\d{11}",
    "MT": r"\d{8}",
    "NL": r"[A-Z0-9+*]{10}\d{2}",
    "PL": r"\d{10}",
    "PT": r"\d{9}",
    "RO": r"\d{2,10}",
    "SE": r"\d{10}01",
    "SI": r"[1-9]\d{7}",
    "SK": r"\d{10}",
    "XI": r"\d{9}|\d{12}|(GD|HA)\d{3}",
}
"""After the two letters of the country; Greece is EL, Northern Ireland XI."""


def tidy(text: str) -> str:
    """Returns a VAT number as it is compared: without spaces, dots and dashes, in capitals."""
    return re.sub(r"[\s.\-/]", "", text).upper()


def fault_of(number: str) -> str | None:
    """Returns why a tidy text can't be a VAT number of the EU; None: it can be one."""
    country, rest = number[:2], number[2:]
    form = _FORMS.get(country)
    if form is None:
        return f"{country or 'nothing'} is no country of the EU"
    if not re.fullmatch(form, rest, re.ASCII):
        return f"a VAT number of {country} has another form"
    check = _CHECKS.get(country)
    if check is not None and not check(rest):
        return "its check digits are wrong"
    return None


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _luhn(digits: str) -> bool:
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _iso_11_10(digits: str) -> bool:
    product = 10
    for digit in digits[:-1]:
        product = 2 * ((int(digit) + product) % 10 or 10) % 11
    return (11 - product) % 10 == int(digits[-1])


def _austria(rest: str) -> bool:
    digits = rest[1:]
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(digits[:7])]
    return (96 - sum(v // 10 + v % 10 for v in doubled)) % 10 == int(digits[7])


def _france(rest: str) -> bool:
    if not rest[:2].isdigit():
        return True  # its key has letters: another rule, which is not published in full
    return int(rest[:2]) == (12 + 3 * (int(rest[2:]) % 97)) % 97


def _netherlands(rest: str) -> bool:
    """By the old rule (the tax number) or by the one of 2020 (ISO 7064, modulo 97)."""
    if rest[9] != "B":
        return False
    base = rest[:9]
    if base.isdigit() and _weighted(base, range(9, 1, -1)) % 11 == int(base[8]):
        return True
    spelled = "".join(_spelled(each) for each in f"NL{rest}")
    return int(spelled) % 97 == 1


def _spelled(letter: str) -> str:
    if letter.isdigit():
        return letter
    return {"+": "36", "*": "37"}.get(letter) or str(ord(letter) - ord("A") + 10)


def _modulo(weights: Sequence[int], modulus: int) -> Callable[[str], bool]:
    """Returns the check of those whose last digit is the weighted sum, taken by the modulus."""
    return lambda rest: _weighted(rest, weights) % modulus % 10 == int(rest[-1])


def _complement(weights: Sequence[int], modulus: int) -> Callable[[str], bool]:
    """Returns the check of those whose last digit makes the weighted sum whole."""
    return lambda rest: (
        (modulus - _weighted(rest, weights) % modulus) % modulus % 10 == int(rest[-1])
    )


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "AT": _austria,
    "BE": lambda rest: 97 - int(rest[:8]) % 97 == int(rest[8:]),
    "DE": _iso_11_10,
    "DK": lambda rest: _weighted(rest, (2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0,
    "EE": _complement((3, 7, 1, 3, 7, 1, 3, 7), 10),
    "EL": _modulo((256, 128, 64, 32, 16, 8, 4, 2), 11),
    "FI": _complement((7, 9, 10, 5, 8, 4, 2), 11),
    "FR": _france,
    "HR": _iso_11_10,
    "HU": _complement((9, 7, 3, 1, 9, 7, 3), 10),
    "IT": _luhn,
    "LU": lambda rest: int(rest[:6]) % 89 == int(rest[6:]),
    "MT": lambda rest: 37 - _weighted(rest[:6], (3, 4, 6, 7, 8, 9)) % 37 == int(rest[6:]),
    "NL": _netherlands,
    "PL": _modulo((6, 5, 7, 2, 3, 4, 5, 6, 7), 11),
    "PT": _complement((9, 8, 7, 6, 5, 4, 3, 2), 11),
    "SE": lambda rest: _luhn(rest[:10]),
    "SI": _complement((8, 7, 6, 5, 4, 3, 2), 11),
    "SK": lambda rest: int(rest) % 11 == 0,
}
