"""What a station asks about cars' certificates (ISO 15118), on demand, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulators.notices import Words

SCHEMA_VERSION = "urn:iso:15118:2:2013:MsgDef"


class Contracts:
    """Asks, and remembers the answers, the newest last."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, dict[str, Any]]] = []
        """Action, and the answer as it came."""

    def ask_status(self, certificate: Mapping[str, Any], url: str) -> Words:
        """Asks what OCSP says of a certificate that is named by its hashes."""
        data = {**certificate, "responderURL": url}
        return self._words("GetCertificateStatus", {"ocspRequestData": data})

    def ask_chain(
        self, certificates: Sequence[Mapping[str, Any]], *urls: str, source: str = "OCSP"
    ) -> Words:
        """Asks about several certificates at once (2.1)."""
        asked = [
            {"certificateHashData": dict(each), "source": source, "urls": list(urls)}
            for each in certificates
        ]
        return self._words("GetCertificateChainStatus", {"certificateStatusRequests": asked})

    def ask_contract(self, exi: str, action: str = "Install", **more: Any) -> Words:
        """Asks for the certificate of a contract; `exi` is what the car has said, base64."""
        asked = {"iso15118SchemaVersion": SCHEMA_VERSION, "action": action, "exiRequest": exi}
        return self._words("Get15118EVCertificate", asked | more)

    def show(
        self,
        emaid: str,
        *,
        hashes: Sequence[tuple[Mapping[str, Any], str]] = (),
        chain: str | None = None,
    ) -> Words:
        """Asks whether a contract may charge; its certificates come along, or hashes of them."""
        asked: dict[str, Any] = {"idToken": {"idToken": emaid, "type": "eMAID"}}
        if hashes:
            asked["iso15118CertificateHashData"] = [
                {**certificate, "responderURL": url} for certificate, url in hashes
            ]
        if chain is not None:
            asked["certificate"] = chain
        return self._words("Authorize", asked)

    def _words(self, action: str, payload: dict[str, Any]) -> Words:
        return Words(action, payload, lambda answer: self.answers.append((action, answer)))
