"""What stations say and answer about their keys and certificates, in 1.6 and in 2.x.

Mixed into the voices of the versions; what a station holds is `simulators.credentials`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from abc import abstractmethod
from types import ModuleType
from typing import Any, ClassVar

from ocpp.routing import after, on
from ocpp.v16 import call as call_v16
from ocpp.v16 import call_result as result_v16
from ocpp.v16.enums import (
    Action,
    CertificateSignedStatus,
    CertificateStatus,
    DeleteCertificateStatus,
    GetInstalledCertificateStatus,
    TriggerMessageStatus,
)

from simulators.keys import identify
from simulators.notices import SignRequest
from simulators.triggers import triggered
from simulators.voice import Voice

_USES = {
    "CentralSystemRootCertificate": "csms",
    "CSMSRootCertificate": "csms",
    "ManufacturerRootCertificate": "manufacturer",
    "V2GRootCertificate": "v2g",
    "MORootCertificate": "mobility-operator",
    "OEMRootCertificate": "oem",
}


class _Keys(Voice):
    """What all versions share."""

    @abstractmethod
    async def say_request(self, csr: str) -> None:
        """Asks to have a key certified."""

    def _ask_to_sign(self) -> bool:
        request = self.station.credentials.ask()
        if request is None:
            return False
        self.station.outbox.append(SignRequest(request))
        return True

    def _installed(self, wanted: set[str]) -> list[tuple[str, dict[str, str]]]:
        found: list[tuple[str, dict[str, str]]] = []
        for kind, use in _USES.items():
            if kind in wanted:
                roots = self.station.credentials.roots.get(use, ())
                named = [identify(root) for root in roots]
                found += [(kind, name) for name in named if name is not None]
        return found


class KeysV16(_Keys):
    """In OCPP 1.6 with its security extensions."""

    async def say_request(self, csr: str) -> None:
        """Asks to have a key certified."""
        await self.ask(call_v16.SignCertificate(csr=csr))

    @on(Action.extended_trigger_message)
    def on_extended_trigger(self, requested_message: str, **payload: Any) -> object:
        """ExtendedTriggerMessage.req."""
        if requested_message == "SignChargePointCertificate":
            done = self._ask_to_sign()
        else:
            connector_id = payload.get("connector_id")
            done = triggered(self.station, requested_message, connector_id, self.now())
        accepted, no = TriggerMessageStatus.accepted, TriggerMessageStatus.not_implemented
        return result_v16.ExtendedTriggerMessage(accepted if done else no)

    @on(Action.certificate_signed)
    def on_certificate_signed(self, certificate_chain: str, **_: Any) -> object:
        """CertificateSigned.req."""
        taken = self.station.credentials.take(certificate_chain)
        yes, no = CertificateSignedStatus.accepted, CertificateSignedStatus.rejected
        return result_v16.CertificateSigned(yes if taken else no)

    @after(Action.certificate_signed)
    def after_certificate_signed(self, **_: Any) -> None:
        """The answer is out."""
        self.station.credentials.answered()

    @on(Action.install_certificate)
    def on_install(self, certificate_type: str, certificate: str, **_: Any) -> object:
        """InstallCertificate.req."""
        taken = self.station.credentials.install(_USES[certificate_type], certificate)
        yes, no = CertificateStatus.accepted, CertificateStatus.rejected
        return result_v16.InstallCertificate(yes if taken else no)

    @on(Action.get_installed_certificate_ids)
    def on_installed(self, certificate_type: str, **_: Any) -> object:
        """GetInstalledCertificateIds.req."""
        found = [name for _, name in self._installed({certificate_type})]
        yes, no = GetInstalledCertificateStatus.accepted, GetInstalledCertificateStatus.not_found
        return result_v16.GetInstalledCertificateIds(yes if found else no, found or None)

    @on(Action.delete_certificate)
    def on_delete(self, certificate_hash_data: dict[str, str], **_: Any) -> object:
        """DeleteCertificate.req."""
        gone = self.station.credentials.delete(certificate_hash_data)
        yes, no = DeleteCertificateStatus.accepted, DeleteCertificateStatus.not_found
        return result_v16.DeleteCertificate(yes if gone else no)


class KeysV2X(_Keys):
    """In OCPP 2.0.1 and 2.1."""

    requests: ClassVar[ModuleType]
    """The package's dataclasses of calls; what nests in them is written as dictionaries."""

    async def say_request(self, csr: str) -> None:
        """Asks to have a key certified."""
        await self.ask(
            self.requests.SignCertificate(csr=csr, certificate_type="ChargingStationCertificate")
        )

    @on("TriggerMessage")
    def on_trigger(self, requested_message: str, **payload: Any) -> object:
        """TriggerMessageRequest."""
        if requested_message == "SignChargingStationCertificate":
            done = self._ask_to_sign()
        else:
            evse: dict[str, Any] = payload.get("evse") or {}
            done = triggered(self.station, requested_message, evse.get("id"), self.now())
        return self.results.TriggerMessage(status="Accepted" if done else "NotImplemented")

    @on("CertificateSigned")
    def on_certificate_signed(self, certificate_chain: str, **_: Any) -> object:
        """CertificateSignedRequest."""
        taken = self.station.credentials.take(certificate_chain)
        return self.results.CertificateSigned(status="Accepted" if taken else "Rejected")

    @after("CertificateSigned")
    def after_certificate_signed(self, **_: Any) -> None:
        """The answer is out."""
        self.station.credentials.answered()

    @on("InstallCertificate")
    def on_install(self, certificate_type: str, certificate: str, **_: Any) -> object:
        """InstallCertificateRequest."""
        taken = self.station.credentials.install(_USES[certificate_type], certificate)
        return self.results.InstallCertificate(status="Accepted" if taken else "Rejected")

    @on("GetInstalledCertificateIds")
    def on_installed(self, **payload: Any) -> object:
        """GetInstalledCertificateIdsRequest."""
        wanted = set(payload.get("certificate_type") or _USES)
        chains = [
            {"certificate_type": kind, "certificate_hash_data": name}
            for kind, name in self._installed(wanted)
        ]
        if not chains:
            return self.results.GetInstalledCertificateIds(status="NotFound")
        return self.results.GetInstalledCertificateIds(
            status="Accepted", certificate_hash_data_chain=chains
        )

    @on("DeleteCertificate")
    def on_delete(self, certificate_hash_data: dict[str, str], **_: Any) -> object:
        """DeleteCertificateRequest."""
        gone = self.station.credentials.delete(certificate_hash_data)
        return self.results.DeleteCertificate(status="Accepted" if gone else "NotFound")

    @on("SetNetworkProfile")
    def on_network_profile(
        self, configuration_slot: int, connection_data: dict[str, Any], **_: Any
    ) -> object:
        """SetNetworkProfileRequest: kept until the priorities name its slot."""
        wanted = int(connection_data["security_profile"])
        held = self.station.credentials
        if wanted < held.profile:
            return self.results.SetNetworkProfile(status="Rejected")
        held.network[configuration_slot] = wanted
        return self.results.SetNetworkProfile(status="Accepted")
