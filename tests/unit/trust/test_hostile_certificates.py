"""Whatever certificates are made of, they are judged."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509

from csms.certificates import read_certificate
from csms.revocation import judge_chain, read_authorities
from models.clocks import RealClock
from models.errors import BadInput
from tests.builders.hostile_certificates import (
    of_a_strange_name,
    of_no_version,
    of_one_extension_twice,
)
from tests.builders.responder import Mobility


@pytest.mark.parametrize(
    ("made", "breaks"),
    [
        (of_no_version, x509.InvalidVersion),
        (of_one_extension_twice, x509.DuplicateExtension),
        (of_a_strange_name, x509.UnsupportedGeneralNameType),
    ],
)
def test_a_chain_that_would_break_its_reader_is_broken(
    made: Callable[[], str], breaks: type[Exception]
) -> None:
    chain = made()
    with pytest.raises(breaks):
        assert x509.load_pem_x509_certificates(chain.encode())[-1].extensions
    word = judge_chain(chain, [Mobility().pem], RealClock().now())
    assert word.status == "broken"
    assert "no chain of X.509 certificates" in (word.why or "")


def test_a_certificate_of_no_version_is_none() -> None:
    with pytest.raises(BadInput):
        read_authorities(of_no_version())
    with pytest.raises(BadInput):
        read_certificate(of_no_version())
