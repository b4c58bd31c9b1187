"""The authority that comes with the house: it signs certificates for stations.

Its root is made when it is first needed and kept in the database, so that all nodes and every
backup have it; its key is sealed by the secret key of this installation, without which the database
is of no use to a thief. An authority outside takes its place by the settings `est_*`
(`csms.security.est`), or unknown to us: then its root is named in `ocpp_tls_client_ca` alone.
"""

from __future__ import annotations

import asyncio

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from csms.certificates import SigningRequest, make_authority, sign_request
from csms.keyring import Keyring
from csms.ledger.database import Database
from models.clocks import Clock
from models.errors import BadInput, Unavailable
from models.ids import IdMaker
from models.tables.ledger import HouseFact

AUTHORITY_FACT = "certificate-authority"
_PURPOSE = "certificate-authority"


class _Kept(msgspec.Struct):
    certificate: str
    key: str


class BuiltInAuthority:
    """Signs with a key of the house (`csms.certificates.CertificateAuthority`)."""

    def __init__(
        self, *, db: Database, keyring: Keyring, wall: Clock, ids: IdMaker, operator_name: str
    ) -> None:
        self._db = db
        self._wall = wall
        self._ids = ids
        self._operator_name = operator_name
        self._passphrase = keyring.keyed_hash(_PURPOSE, "key")
        self._kept: _Kept | None = None

    async def root(self) -> str:
        """Returns the root's certificate as PEM; makes the root where there is none.

        Raises:
            Unavailable: if the database is away.
        """
        return (await self._authority()).certificate

    async def kept_root(self) -> str | None:
        """Returns the root's certificate as PEM if there is one already.

        Raises:
            Unavailable: if the database is away.
        """
        kept = self._kept = self._kept or await self._read()
        return kept and kept.certificate

    async def sign(self, request: SigningRequest) -> str:
        """Returns the certificate that was asked for, as PEM.

        Raises:
            Unavailable: if the database is away, or the key was sealed by another secret key.
        """
        kept = await self._authority()
        try:
            return await asyncio.to_thread(
                sign_request,
                request,
                authority=kept.certificate,
                key=kept.key,
                passphrase=self._passphrase,
                at=self._wall.now(),
            )
        except BadInput as error:
            raise Unavailable(error.detail) from None

    async def _authority(self) -> _Kept:
        if self._kept is None:
            self._kept = await self._read() or await self._make()
        return self._kept

    async def _read(self) -> _Kept | None:
        query = sa.select(HouseFact.value).where(HouseFact.name == AUTHORITY_FACT)
        async with self._db.read() as session:
            value = await session.scalar(query)
        return None if value is None else msgspec.convert(value, _Kept)

    async def _make(self) -> _Kept:
        made = await asyncio.to_thread(
            make_authority, self._operator_name, self._wall.now(), self._passphrase
        )
        value = {"certificate": made[0], "key": made[1]}
        try:
            async with self._db.write(self._wall, self._ids, actor="authority") as work:
                work.session.add(HouseFact(name=AUTHORITY_FACT, value=value))
        except IntegrityError:
            # Another node was first: its root is the root.
            found = await self._read()
            assert found is not None
            return found
        return msgspec.convert(value, _Kept)
