"""What is generated and committed is what the generators make today."""

from __future__ import annotations

import pytest

from tools import make_ocpp_coverage, make_wire


@pytest.mark.parametrize("version", sorted(make_wire.VERSIONS))
def test_wire_structs_are_those_of_the_schemas(version: str) -> None:
    committed = (make_wire.TARGET / f"{version}.py").read_text(encoding="utf-8")
    assert committed == make_wire.generate(version), "run python -m tools.make_wire"


def test_the_coverage_page_is_that_of_the_dialects() -> None:
    committed = make_ocpp_coverage.PAGE.read_text(encoding="utf-8")
    assert committed == make_ocpp_coverage.page(), "run python -m tools.make_ocpp_coverage"


@pytest.mark.parametrize(
    ("wire_name", "attribute"),
    [
        ("evseId", "evse_id"),
        ("limit_L2", "limit_l2"),
        ("iso15118CertificateHashData", "iso15118_certificate_hash_data"),
        ("responderURL", "responder_url"),
        ("from", "from_"),
        ("soc", "soc"),
    ],
)
def test_properties_have_python_names(wire_name: str, attribute: str) -> None:
    assert make_wire.attribute_name(wire_name) == attribute
