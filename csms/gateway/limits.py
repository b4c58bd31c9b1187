"""How much the station door takes, and how long it waits: every number in one place.

Seconds are wire time unless a name says life. Defaults are those of the design; tests shorten them.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one gateway."""

    header_bytes: int = 8 * KIB
    """Of a whole handshake request."""
    handshake_s: float = 10.0
    """From the TCP connection to the end of the request."""
    connections: int = 20_000
    """Open at once, logged in or not."""
    message_before_boot_bytes: int = 256 * KIB
    """Counted after inflation, over all fragments; more closes with 1009."""
    message_bytes: int = 4096 * KIB
    """The same, once the station has booted (a long StopTransaction must not block a queue)."""
    slice_bytes: int = 4 * KIB
    """How much of a chunk from the socket is parsed before back-pressure is looked at again."""
    queued_messages: int = 8
    """Waiting behind the one in flight before reading stops."""
    write_buffer_bytes: int = 256 * KIB
    """Unsent output at which we stop reading from that station."""
    write_s: float = 30.0
    """How long a station may leave its output unread before it is cut off."""
    ping_after_s: float = 30.0
    """Silence after which the station is pinged."""
    pong_s: float = 20.0
    """How long a ping may go unanswered before the connection counts as dead."""
    close_s: float = 5.0
    """How long the other side may take to close."""
    sweep_s: float = 1.0
    """How often the time-outs above are looked at."""
    probe_s: float = 2.0
    """How long the old socket of an identity has to show that it lives."""
    refusal_delay_s: float = 1.0
    """Every refused login is answered this long after it came, whatever the reason."""
    refusals_at_once: int = 1_000
    """Refusals held back at once; more are cut off without an answer."""
    slow_checks_per_minute: int = 10
    """Argon2 verifications for one identity from one network."""
    pending_stations: int = 100
    """Unknown stations that wait for approval at once."""
    pending_per_address: int = 10
    """Of these, from one address."""
    pending_life_h: float = 24.0
    """After these hours of life time a station that nobody has approved is forgotten."""
    reports_while_pending: int = 500
    """Parts of a report that a station which waits for approval may send once it is asked."""
    call_s: float = 30.0
    """How long a station may take to answer our call."""
    call_quiet_s: float = 2.0
    """How long a stepped clock waits for a station that does not answer."""
    dry_s: float = 5.0
    """Life time of silence after which a station that has come has told what it had queued."""
    dry_at_most_s: float = 300.0
    """Life time for which that silence is waited for; some stations never pause."""
    tls_files_every_s: float = 30.0
    """How often the files of certificates are looked at for changes."""
    seen_flush_s: float = 10.0
    """How often last-seen times are written."""
