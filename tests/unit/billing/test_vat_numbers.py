"""VAT numbers of the European Union: form and check digits."""

from __future__ import annotations

import pytest

from csms.billing.rules.vat import fault_of, tidy

GOOD = (
    *("ATU13585627", "BE0428759497", "DE136695976", "DK13585628", "EE100931558", "EL094259216"),
    *("FI20774740", "FR40303265045", "HR33392005961", "HU12892312", "IT00743110157"),
    *("LU15027442", "MT11679112", "NL004495445B01", "NL000099998B57", "PL8567346215"),
    *("PT501964843", "SE556188840401", "SI50223054", "SK2022749619", "ES54362315K"),
    *("IE6433435F", "CY10259033P", "BG175074752", "CZ25123891", "LT119511515", "RO18547290"),
)
CHECKED = {"AT", "BE", "DE", "DK", "EE", "EL", "FI", "HR", "HU", "IT", "LU", "MT", "PL", "PT"}


@pytest.mark.parametrize("number", GOOD)
def test_a_true_number_passes(number: str) -> None:
    assert fault_of(number) is None


@pytest.mark.parametrize("number", [n for n in GOOD if n[:2] in CHECKED])
def test_a_slip_of_one_digit_is_seen(number: str) -> None:
    place = len(number) - 3
    slip = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
    assert fault_of(slip) == "its check digits are wrong"


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        ("", "nothing is no country of the EU"),
        ("US123456789", "US is no country of the EU"),
        ("DE12345", "a VAT number of DE has another form"),
        ("DE\u0661" + 8 * "1", "a VAT number of DE has another form"),
    ],
)
def test_what_is_no_number_is_said(number: str, fault: str) -> None:
    assert fault_of(number) == fault


def test_writing_does_not_count() -> None:
    assert tidy(" atu 1358.56-27 ") == "ATU13585627"
