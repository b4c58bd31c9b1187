"""Keyed hashes and station passwords: how secrets are kept so that the database alone is no use.

A machine-made secret (API key, generated station password) has at least 128 random bits, so a fast
keyed hash (HMAC-SHA256, 1.5 us) protects it as well as a slow one, and ten thousand stations can
come back at once. A password that a person chose gets argon2id, run off the event loop by a few
workers, and after its first success a keyed verifier in memory, so that it costs that only once
per process. Who may try how often is not here: see `csms.gateway.login` and `csms.web`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from models.errors import BadInput

_T = TypeVar("_T")

KEY_BYTES = 32
_KEYED = "hmac-sha256:"
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){16,40}")


class Keyring:
    """Holds the secret key of this installation; made once by the composition root."""

    def __init__(self, key: bytes, *, workers: Executor | None = None) -> None:
        """Takes the key, and where slow hashes run (None: in the calling thread)."""
        assert len(key) >= KEY_BYTES, "a secret key has at least 256 bits"
        self._key = key
        self._workers = workers
        self._slow = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._verifiers: dict[str, str] = {}

    @classmethod
    def load(cls, path: Path, *, workers: Executor | None = None) -> Keyring:
        """Returns the keyring of the key in `path`, which is made with mode 0600 when missing.

        Raises:
            BadInput: if the file can't be read or made, is no key, or others may read it.
        """
        try:
            _make_key_file(path)
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise BadInput(f"{path}: others may read the secret key; set its mode to 0600")
                key = bytes.fromhex(file.read().decode("ascii").strip())
        except OSError as error:
            raise BadInput(f"secret key file {path}: {error.strerror or error}") from None
        except ValueError:
            raise BadInput(f"secret key file {path} holds no key") from None
        if len(key) < KEY_BYTES:
            raise BadInput(f"secret key file {path} holds no key")
        return cls(key, workers=workers)

    def keyed_hash(self, purpose: str, text: str | bytes) -> str:
        """Returns the keyed hash of a high-entropy secret, 64 hexadecimal digits.

        Args:
            purpose: what the secret is for ("api-key"); equal secrets for two purposes differ.
            text: the secret.
        """
        data = text.encode() if isinstance(text, str) else text
        name = purpose.encode()
        framed = len(name).to_bytes(4, "big") + name + data
        return hmac.new(self._key, framed, hashlib.sha256).hexdigest()

    def verify(self, purpose: str, text: str | bytes, expected: str) -> bool:
        """Returns whether `expected` is the keyed hash of `text`, in constant time."""
        return hmac.compare_digest(self.keyed_hash(purpose, text), expected)

    def new_password(self) -> str:
        """Returns a fresh station password: 32 letters and digits, 160 random bits."""
        return base64.b32encode(secrets.token_bytes(20)).decode("ascii")

    def seal_generated(self, identity: str, password: str) -> str:
        """Returns what is stored of a password that `new_password` made."""
        return _KEYED + self.keyed_hash(_purpose(identity), _canonical(password.encode()))

    async def seal_chosen(self, identity: str, password: str) -> str:
        """Returns what is stored of a password that a person chose; takes some 40 ms of a worker.

        Raises:
            BadInput: see `check_password`.
        """
        check_password(password)
        salted = _purpose(identity).encode() + b"\0" + _canonical(password.encode())
        return await self._slowly(lambda: self._slow.hash(salted))

    async def verify_password(
        self, identity: str, password: bytes, sealed: str, *, binary: bool = False
    ) -> bool:
        """Returns whether `password` is the one whose seal is stored for the station.

        Args:
            identity: of the station.
            password: as it came over the wire.
            sealed: from `seal_generated` or `seal_chosen`.
            binary: OCPP 1.6: the same bytes may come as they are or in hexadecimal.
        """
        if (fast := self.verify_fast(identity, password, sealed, binary=binary)) is not None:
            return fast
        purpose = _purpose(identity)

        def any_matches() -> bytes | None:
            for form in _forms(password, binary=binary):
                try:
                    self._slow.verify(sealed, purpose.encode() + b"\0" + form)
                except (VerificationError, InvalidHashError):
                    continue
                return form
            return None

        form = await self._slowly(any_matches)
        if form is None:
            return False
        self._verifiers[sealed] = self.keyed_hash(purpose, form)
        return True

    def verify_fast(
        self, identity: str, password: bytes, sealed: str, *, binary: bool = False
    ) -> bool | None:
        """Returns the verdict where a keyed hash can give it, else None: a slow check is needed."""
        purpose = _purpose(identity)
        keyed = sealed.startswith(_KEYED)
        expected = sealed.removeprefix(_KEYED) if keyed else self._verifiers.get(sealed)
        if expected is not None and any(
            self.verify(purpose, form, expected) for form in _forms(password, binary=binary)
        ):
            return True
        return False if keyed else None

    async def _slowly(self, work: Callable[[], _T]) -> _T:
        if self._workers is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)


def check_password(password: str) -> None:
    """Checks a chosen station password against what stations can hold.

    OCPP 1.6 security extension: 16 to 40 bytes, or their hexadecimal; OCPP 2.x: 16 to 40
    characters (`BasicAuthPassword`).

    Raises:
        BadInput: saying what is allowed.
    """
    data = password.encode("utf-8", "surrogatepass")
    if _HEX.fullmatch(data):
        return
    if not 16 <= len(data) <= 40 or not password.isprintable():
        raise BadInput("a station password has 16 to 40 printable characters, or 32 to 80 hex ones")


def _purpose(identity: str) -> str:
    return f"station-password/{identity}"


def _canonical(password: bytes) -> bytes:
    """Returns the one form that is hashed: hexadecimal digits in lower case."""
    return password.lower() if _HEX.fullmatch(password) else password


def _forms(password: bytes, *, binary: bool) -> list[bytes]:
    """Returns the forms in which a password that came over the wire may have been stored."""
    forms = [_canonical(password)]
    if binary:
        forms.append(password.hex().encode("ascii"))
        if _HEX.fullmatch(password):
            forms.append(_canonical(bytes.fromhex(password.decode("ascii"))))
    return forms


def _make_key_file(path: Path) -> None:
    """Makes the key file unless there is one; two processes at once agree on one key."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_bytes(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
