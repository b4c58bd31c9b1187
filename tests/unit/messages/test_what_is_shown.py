"""What of a message is shown to whom, and how it stands in a file."""

from __future__ import annotations

from csms.messages.rules import MASK, without_tokens
from csms.web.spreadsheet import cell


def test_no_token_is_left_wherever_it_stands() -> None:
    said = {
        "idTag": "ADA",
        "idTagInfo": {"parentIdTag": "FAMILY", "status": "Accepted"},
        "idToken": {"idToken": "BOB", "type": "ISO14443", "additionalInfo": []},
        "idTokenInfo": {"groupIdToken": {"idToken": "FAMILY", "type": "Central"}},
        "localAuthorizationList": [{"idTag": "EVE"}, {"idToken": {"idToken": "EVE"}}],
        "connectorId": 1,
    }
    assert without_tokens(said) == {
        "idTag": MASK,
        "idTagInfo": {"parentIdTag": MASK, "status": "Accepted"},
        "idToken": {"idToken": MASK, "type": "ISO14443", "additionalInfo": []},
        "idTokenInfo": {"groupIdToken": {"idToken": MASK, "type": "Central"}},
        "localAuthorizationList": [{"idTag": MASK}, {"idToken": {"idToken": MASK}}],
        "connectorId": 1,
    }


def test_whose_tariff_and_whose_receipt_it_is_is_hidden() -> None:
    held = {"tariffAssignments": [{"tariffId": "day", "idTokens": ["ADA", "BOB"]}]}
    assert without_tokens(held) == {
        "tariffAssignments": [{"tariffId": "day", "idTokens": [MASK, MASK]}]
    }
    assert without_tokens({"idTokens": [{"idToken": "ADA", "type": "Central"}]}) == {
        "idTokens": [{"idToken": MASK, "type": "Central"}]
    }
    paid = {"pspRef": "P", "vatNumber": "DE1", "vatCompany": {"name": "Ada"}}
    assert without_tokens(paid) == {"pspRef": "P", "vatNumber": MASK, "vatCompany": MASK}
    asked = {"vatNumber": "DE1", "company": {"name": "Ada", "city": "Ulm"}, "status": "Accepted"}
    assert without_tokens(asked) == {"vatNumber": MASK, "company": MASK, "status": "Accepted"}


def test_free_text_is_hidden_whole() -> None:
    assert without_tokens({"vendorId": "V", "data": "card ADA"}) == {"vendorId": "V", "data": MASK}
    signed = {"format": "SignedData", "value": "OCMF|ADA", "measurand": "Energy"}
    assert without_tokens([signed]) == [{**signed, "value": MASK}]
    assert without_tokens({"signedMeterValue": {"signedMeterData": "ADA"}}) == {
        "signedMeterValue": {"signedMeterData": MASK}
    }
    contract = {"action": "Install", "exiRequest": "QURB", "prioritizedEMAIDs": ["ADA"]}
    assert without_tokens(contract) == {
        "action": "Install",
        "exiRequest": MASK,
        "prioritizedEMAIDs": MASK,
    }


def test_what_holds_no_token_is_left_as_it_is() -> None:
    for said in (None, 3, "ADA", [], {"status": "Accepted", "values": [1, {"idTag": 5}]}):
        assert without_tokens(said) == said


def test_no_cell_is_taken_for_a_formula() -> None:
    assert cell("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert [cell(text)[0] for text in ("+1", "-1", "@A1", "\t=1", "\r=1")] == ["'"] * 5
    assert cell('{"a":1}') == '{"a":1}'
    assert cell("") == ""
