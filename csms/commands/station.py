"""`heliofleet station`: single charging stations: one that is simulated.

`heliofleet simulate` plays a whole town; this is one box with one car, for trying a service out by
hand. The box itself is `simulators.solo`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from csms.commands.options import check_ocpp_url, group
from models.clocks import RealClock
from models.errors import BadInput
from simulators.credentials import Credentials, secure_door
from simulators.keys import client_context
from simulators.link import Connect, websocket_door
from simulators.solo import SoloStation, Subprotocol, run_station

VERSIONS: dict[str, Subprotocol] = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}
LEAST_POWER_W = 1380.0
"""6 A on one phase: below it no car charges."""
MOST_POWER_W = 7400.0
"""32 A on one phase."""

app = group("Run single charging stations.")


@app.command()
def simulate(  # noqa: PLR0917 - each is an option of the command line
    identity: Annotated[str, typer.Argument(help="The station's identity.", metavar="IDENTITY")],
    ocpp_url: Annotated[
        str, typer.Option(help="Where the service takes stations.")
    ] = "ws://127.0.0.1:9000/ocpp",
    password: Annotated[
        str | None,
        typer.Option(help="Of the station; none: security profile 0.", show_default=False),
    ] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option(help="Root that a wss address is trusted by.", show_default=False),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(help="Of the station (security profile 3).", show_default=False),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Of the certificate.", show_default=False)
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a key of its own: it asks for a certificate when told, and uses it.",
            show_default=False,
        ),
    ] = None,
    tls_url: Annotated[
        str | None,
        typer.Option(
            help="Where it goes by security profile 2 or 3, once it is told to.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[str, typer.Option(help=f"OCPP {', '.join(VERSIONS)}.")] = "2.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            help="Card held to the reader at once; none: waits for a remote start.",
            show_default=False,
        ),
    ] = None,
    power_w: Annotated[
        float, typer.Option(min=LEAST_POWER_W, max=MOST_POWER_W, help="Most power, one phase.")
    ] = 3700.0,
    soc_pct: Annotated[
        float, typer.Option(min=0, max=100, help="How full the car of 16 kWh arrives.")
    ] = 50.0,
    meter_every_s: Annotated[
        int, typer.Option(min=1, max=3600, help="Seconds between meter values.")
    ] = 10,
    connect_within_s: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds until the service must have answered.")
    ] = 10.0,
) -> None:
    """Run one simulated station with a car plugged in, until Ctrl-C. Says what changes.

    Example: heliofleet station simulate BOX-1 --password PW --version 1.6 --token CARD-1
    """
    if version not in VERSIONS:
        raise BadInput(f"--version: {version} is no version; allowed are {', '.join(VERSIONS)}")
    if re.fullmatch(r"[^\s/\x00-\x1f\x7f]{1,48}", identity) is None:
        raise BadInput("IDENTITY: allowed are 1 to 48 characters, no spaces and no slash")
    check_ocpp_url(ocpp_url)
    given = _Given(ocpp_url, tls_ca, certificate, key, keys, tls_url)
    given.check()
    solo = SoloStation(
        identity=identity,
        password=password,
        subprotocol=VERSIONS[version],
        token=token,
        max_power_w=power_w,
        soc_pct=soc_pct,
        meter_every_s=meter_every_s,
    )
    # What a lost link leaves unanswered is told in a line of our own.
    logging.getLogger("simulators.voice").setLevel(logging.CRITICAL)
    asyncio.run(_run_until_told(solo, given.door, connect_within_s))


@dataclass(frozen=True, slots=True)
class _Given:
    """How the station is to come, as the command line has it."""

    url: str
    root: Path | None
    certificate: Path | None
    key: Path | None
    keys: Path | None
    tls_url: str | None

    def check(self) -> None:
        """Raises BadInput for what does not go together, or can't be read."""
        if self.keys is not None and not self.keys.is_dir():
            raise BadInput(f"--keys: {self.keys} is no folder")
        if self.tls_url is None:
            _tls(self.url, self.root, self.certificate, self.key)
            if self.keys is not None and not self.url.startswith("wss:"):
                raise BadInput("--keys goes with a wss address, or with one as --tls-url")
            return
        check_ocpp_url(self.tls_url, "--tls-url")
        if not self.tls_url.startswith("wss:"):
            raise BadInput(f"--tls-url: {self.tls_url} is no wss address")
        if self.root or self.certificate or self.key:
            _tls(self.tls_url, self.root, self.certificate, self.key)

    def door(self, credentials: Credentials) -> Connect:
        """Returns what opens the station's links by the profile that it uses at the time."""
        if self.keys is None and self.tls_url is None:
            made = _tls(self.url, self.root, self.certificate, self.key)
            return websocket_door(self.url, made)
        if self.keys is not None:
            credentials.keep(self.keys)
        if self.certificate is not None and self.key is not None:
            credentials.use(self.certificate, self.key)
        if self.root is not None:
            credentials.install("csms", self.root.read_text(encoding="utf-8"))
        if self.url.startswith("wss:"):
            credentials.profile = 3 if credentials.certified else 2
        return secure_door(credentials, plain_url=self.url, tls_url=self.tls_url or self.url)


def _tls(
    url: str, root: Path | None, certificate: Path | None, key: Path | None
) -> ssl.SSLContext | None:
    """Returns what handshakes are made with; None where the address wants none."""
    if not url.startswith("wss:"):
        if root or certificate or key:
            raise BadInput("--tls-ca, --certificate and --key go with a wss address")
        return None
    if root is None:
        raise BadInput("--tls-ca: a wss address needs a root to trust")
    if (certificate is None) != (key is None):
        raise BadInput("--certificate and --key go together")
    names = (None, None) if certificate is None else (str(certificate), str(key))
    try:
        return client_context(root, *names)
    except OSError as error:
        raise BadInput(f"--tls-ca, --certificate or --key: {error.strerror or error}") from None


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _run_until_told(
    solo: SoloStation, door_of: Callable[[Credentials], Connect], connect_within_s: float
) -> None:
    """Ends in order on SIGINT and SIGTERM; a second one ends it at once."""
    running = asyncio.create_task(
        run_station(
            solo,
            door_of=door_of,
            clock=RealClock(),
            say=_say,
            connect_within_s=connect_within_s,
        )
    )
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
