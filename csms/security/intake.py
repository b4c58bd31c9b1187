"""What stations say and show of their certificates: kept, judged, and answered."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from csms.certificates import SigningRequest, read_request
from csms.ledger.batch import Batch, MessageNote, clean
from csms.ledger.bulk import RowKind
from csms.security.queries import certificate_resource
from csms.security.rules import CertificateState, refusal_of
from csms.stations.intake import BRIEFS, SECURITY, STATIONS, SecurityRow
from models.answers import EMPTY, Answer, SigningAnswer
from models.errors import BadInput
from models.facts import CertificatePresented, CertificateRequested, LoginProved
from models.tables.security import StationCertificate

CERTIFICATES = RowKind(
    StationCertificate.__table__,
    CertificateState,
    key=("id",),
    mutable=("state", "why", "used_at", "updated_at"),
)
REQUEST_REFUSED = "certificate-request-refused"
"""Kind of the security event."""


def emit_certificate(batch: Batch, event: str, row: CertificateState) -> None:
    """Says what became true of a certificate, which shows itself whole."""
    batch.emit(
        event,
        subject=f"certificate/{row.id}",
        resource=certificate_resource(row, batch.now),
        site_id=None,
        tenant=row.tenant_id,
    )


class CertificateRequestDecider:
    """A station asks to have a certificate signed: kept with our word, and signed after that."""

    def __init__(self, operator_name: str) -> None:
        """Takes what the O of a request must be."""
        self._operator_name = operator_name

    def load(self, batch: Batch, facts: Sequence[CertificateRequested]) -> None:
        """Fetches the stations, and those whose names the requests have."""
        names = {fact.station for fact in facts}
        for fact in facts:
            read = _read(fact)
            if isinstance(read, SigningRequest) and read.common_name is not None:
                names.add(read.common_name)
        batch.rows(STATIONS).load(names)

    def decide(
        self,
        batch: Batch,
        fact: CertificateRequested,
        note: MessageNote | None,  # noqa: ARG002
    ) -> Answer:
        """Accepts what may be signed; a refusal is a security event."""
        station = batch.rows(STATIONS).get(fact.station)
        assert station is not None, "only accepted stations are heard"
        read = _read(fact)
        if isinstance(read, SigningRequest):
            name = read.common_name
            why = refusal_of(
                read,
                identity=fact.station,
                serial_number=station.serial_number,
                name_taken=name is not None and batch.rows(STATIONS).get(name) is not None,
                operator_name=self._operator_name,
            )
        else:
            why = read
        row = CertificateState(
            id=batch.ids.new(),
            tenant_id=station.tenant_id,
            station=fact.station,
            state="requested" if why is None else "refused",
            why=why,
            request=clean(fact.request),
            request_id=fact.request_id,
            created_at=batch.now,
            updated_at=batch.now,
        )
        batch.rows(CERTIFICATES).put(row)
        if why is not None:
            batch.add(
                SECURITY,
                SecurityRow(
                    station=fact.station,
                    type=REQUEST_REFUSED,
                    source="gateway",
                    happened_at=fact.received_at,
                    received_at=fact.received_at,
                    detail=why,
                ),
            )
        emit_certificate(
            batch, "certificate.requested" if why is None else "certificate.refused", row
        )
        return SigningAnswer(accepted=why is None)


def _read(fact: CertificateRequested) -> SigningRequest | str:
    """Returns what a request asks for, or why it can't be signed whatever it says."""
    if fact.purpose != "station":
        return "certificates for cars are not signed here"
    try:
        return read_request(fact.request)
    except BadInput as error:
        return error.detail


class CertificateSeenDecider:
    """A station has logged in with a certificate for the first time."""

    def load(self, batch: Batch, facts: Sequence[CertificatePresented]) -> None:
        """Fetches the stations and the certificates."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)
        found = batch.rows(CERTIFICATES).find(
            ("fingerprint",), [fact.fingerprint for fact in facts]
        )
        batch.memo["certificates"] = {row.fingerprint: row.id for row in found}

    def decide(
        self,
        batch: Batch,
        fact: CertificatePresented,
        note: MessageNote | None,  # noqa: ARG002
    ) -> Answer:
        """Notes when; one that was not issued here is kept from now on, so it can be revoked."""
        station = batch.rows(BRIEFS).get(fact.station)
        if station is None:
            return EMPTY
        known: dict[str | None, str] = batch.memo["certificates"]
        rows = batch.rows(CERTIFICATES)
        row = rows.get(known[fact.fingerprint]) if fact.fingerprint in known else None
        if row is None:
            row = CertificateState(
                id=batch.ids.new(),
                tenant_id=station.tenant_id,
                station=fact.station,
                state="installed",
                fingerprint=fact.fingerprint,
                serial=fact.serial,
                issuer=fact.issuer,
                pem=fact.pem,
                not_before=fact.not_before,
                not_after=fact.not_after,
                created_at=batch.now,
                updated_at=batch.now,
            )
            known[fact.fingerprint] = row.id
        if row.used_at is None:
            # It has it, whatever became of its answer.
            row = msgspec.structs.replace(
                row, state="installed", why=None, used_at=batch.now, updated_at=batch.now
            )
            rows.put(row)
            emit_certificate(batch, "certificate.used", row)
        return EMPTY


class LoginDecider:
    """A station whose login is being changed has logged in: said to who changes it."""

    def load(self, batch: Batch, facts: Sequence[LoginProved]) -> None:
        """Fetches the stations."""
        batch.rows(BRIEFS).load(fact.station for fact in facts)

    def decide(self, batch: Batch, fact: LoginProved, note: MessageNote | None) -> Answer:  # noqa: ARG002
        """Says how it logged in."""
        station = batch.rows(BRIEFS).get(fact.station)
        if station is not None:
            batch.emit(
                "station.logged_in",
                subject=f"station/{fact.station}",
                resource={
                    "identity": fact.station,
                    "security_profile": fact.security_profile,
                    "next_password": fact.next_password,
                },
                site_id=station.site_id,
                tenant=station.tenant_id,
            )
        return EMPTY
