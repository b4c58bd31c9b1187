"""What a simulated station logs in with: password, keys, roots, and the security profile it uses.

A box that is told to take another profile tries it at its next dialling, and goes back to the one
that worked when that fails (OCPP 1.6 security whitepaper, A05; OCPP 2.0.1 part 2, A05 and B09). A
new certificate is used from the next dialling on.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from simulators import keys
from simulators.link import Caller, Connect, Link, LinkRefused, websocket_door


class Credentials:
    """Of one station."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.organisation = "Heliofleet"
        """The O of its requests."""
        self.profile = 1
        self.directory: Path | None = None
        """Where it keeps its keys; None: it can't have any."""
        self.fallback: int | None = None
        """The profile that worked, while another one is tried."""
        self.network: dict[int, int] = {}
        """2.x: the security profile in each slot of network configuration."""
        self.roots: dict[str, list[str]] = {}
        self.wants_redial = False
        """Something has changed that holds from the next connection on."""
        self._redial_due = False
        """The connection is to be dropped, once the answer is out."""
        self._pending: keys.Request | None = None
        self._own: tuple[Path, Path] | None = None

    @property
    def certified(self) -> bool:
        """Whether it has a certificate of its own."""
        return self._own is not None

    def ask(self) -> str | None:
        """Returns a request for a new key; None: it can't keep any."""
        if self.directory is None:
            return None
        self._pending = keys.ask(self.identity, self.organisation)
        return self._pending.csr

    def take(self, chain: str) -> bool:
        """Takes the certificate of its last request; False if it is not that."""
        pending, directory = self._pending, self.directory
        if pending is None or directory is None or not keys.matches(pending.key, chain):
            return False
        certificate, key = (directory / f"{self.identity}.{end}" for end in ("pem", "key"))
        certificate.write_text(chain)
        key.touch(mode=0o600)
        key.write_text(pending.key)
        self._own, self._pending = (certificate, key), None
        self._redial_due = self.profile == 3
        return True

    def answered(self) -> None:
        """Goes by the certificate that it has said to have taken."""
        self.wants_redial = self.wants_redial or self._redial_due
        self._redial_due = False

    def keep(self, directory: Path) -> None:
        """Keeps its keys in a folder, and uses the one that lies there from a former life."""
        self.directory = directory
        certificate, key = (directory / f"{self.identity}.{end}" for end in ("pem", "key"))
        if certificate.exists() and key.exists():
            self._own = (certificate, key)

    def use(self, certificate: Path, key: Path) -> None:
        """Takes a certificate that it was delivered with."""
        self._own = (certificate, key)

    def try_profile(self, profile: int) -> bool:
        """Uses another profile from the next dialling on; False if it can't, or it is lower."""
        if not self.profile < profile <= 3 or "csms" not in self.roots:
            return False
        if profile == 3 and not self.certified:
            return False
        self.fallback, self.profile = self.profile, profile
        return True

    def install(self, use: str, certificate: str) -> bool:
        """Trusts a root from now on; False if it is no certificate."""
        if keys.identify(certificate) is None:
            return False
        held = self.roots.setdefault(use, [])
        if certificate not in held:
            held.append(certificate)
        return True

    def delete(self, named: dict[str, str]) -> bool:
        """Trusts a root no more; False if there is none of that name."""
        for held in self.roots.values():
            for certificate in held:
                name = keys.identify(certificate)
                if name is not None and all(named[each] == name[each] for each in name):
                    held.remove(certificate)
                    return True
        return False

    def context(self) -> ssl.SSLContext:
        """Returns what it makes its handshakes with on profiles 2 and 3."""
        roots = "\n".join(self.roots.get("csms", ()))
        certificate, key = self._own or (None, None)
        return keys.client_context(
            roots,
            None if certificate is None else str(certificate),
            None if key is None else str(key),
        )


def secure_door(credentials: Credentials, *, plain_url: str, tls_url: str) -> Connect:
    """Returns what opens a station's websockets by the profile that it uses at the time.

    Args:
        credentials: of the station.
        plain_url: for profiles 0 and 1, as `ws://127.0.0.1:9000/ocpp`.
        tls_url: for profiles 2 and 3, as `wss://127.0.0.1:9443/ocpp`.
    """

    async def dial(caller: Caller, subprotocols: tuple[str, ...], password: str | None) -> Link:
        if credentials.profile < 2:
            return await websocket_door(plain_url)(caller, subprotocols, password)
        shown = password if credentials.profile == 2 else None
        try:
            door = websocket_door(tls_url, credentials.context())
            link = await door(caller, subprotocols, shown)
        except (LinkRefused, ssl.SSLError) as error:
            if credentials.fallback is not None:
                credentials.profile, credentials.fallback = credentials.fallback, None
            raise LinkRefused(f"{caller.path}: {error}") from error
        credentials.fallback = None
        return link

    return dial
