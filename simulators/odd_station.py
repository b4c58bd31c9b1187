"""An odd station: one whose deeds differ from the specification, by its quirks.

What it says is twisted in `simulators.odd_words`; here is what it does and leaves undone, and what
the cars that hang on it do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, cast

from simulators.evse import DrawHook, Evse
from simulators.notices import Answer, Ask, BootReason, Ended, Notice, Sample, Started, Updated
from simulators.profiles import VOLTAGE_V, Period, Purpose
from simulators.scenario import StationKind
from simulators.station import Station
from simulators.vehicle import Car

NEEDS_A = {"car-needs-8a": 8.0, "car-needs-13a": 13.0}
STOPS_AT = 0.8
STORM_S = 1


@dataclass(slots=True)
class OddEvse(Evse):
    """An EVSE on which odd cars hang."""

    quirks: frozenset[str] = frozenset()
    came_with_pct: float | None = None
    """State of charge when the cable was put in."""

    def wants_w(self, allowed_w: float) -> float:
        """Returns what would flow under `allowed_w`."""
        wanted_w = Evse.wants_w(self, allowed_w)
        per_ampere_w = VOLTAGE_V * self.phases
        if any(n in self.quirks and allowed_w < a * per_ampere_w for n, a in NEEDS_A.items()):
            return 0.0
        if "car-2phase" in self.quirks and self.phases == 3:
            wanted_w = min(wanted_w, self.max_power_w * 2 / 3)
        car = self.car
        if "car-stops-at-own-limit" in self.quirks and car is not None:
            return 0.0 if car.soc_wh >= STOPS_AT * car.capacity_wh else wanted_w
        return wanted_w

    def sample(self, at: datetime) -> Sample:
        """Returns what the meter shows, and what is told of the car."""
        sample = Evse.sample(self, at)
        if sample.soc_pct is None:
            return sample
        if "soc-stale" in self.quirks and self.came_with_pct is not None:
            return replace(sample, soc_pct=self.came_with_pct)
        if "soc-step-10" in self.quirks:
            return replace(sample, soc_pct=sample.soc_pct // 10 * 10)
        return sample


class OddStation(Station):
    """A station with quirks."""

    def __init__(
        self,
        identity: str,
        kind: StationKind,
        *,
        now: datetime,
        quirks: frozenset[str] = frozenset(),
        meter_every_s: int = 60,
        idle_meter_every_s: int = 900,
        on_draw: DrawHook | None = None,
    ) -> None:
        super().__init__(
            identity,
            kind,
            now=now,
            quirks=quirks,
            meter_every_s=STORM_S if "sampled-storm" in quirks else meter_every_s,
            idle_meter_every_s=idle_meter_every_s,
            on_draw=on_draw,
        )
        self._blocked: set[str] = set()

    def plug(self, evse_id: int, car: Car, at: datetime) -> None:
        """Puts the cable of an EVSE into a car."""
        cast("OddEvse", self.evses[evse_id]).came_with_pct = car.soc_pct
        super().plug(evse_id, car, at)

    def present(self, evse_id: int, token: str, at: datetime) -> None:
        """Holds a card to the reader."""
        if "needs-remote-start" in self.quirks or token in self._blocked:
            return
        evse = self.evses[evse_id]
        may = self.powered and evse.car is not None and evse.operative and not evse.energised
        if "local-bypass" in self.quirks and may:
            self._authorised(evse, token, at)
        else:
            super().present(evse_id, token, at)

    def remote_start(
        self, evse_id: int | None, token: str, remote_start_id: int | None, at: datetime
    ) -> bool:
        """Starts a transaction by remote."""
        evse = self._evse_for_start(evse_id, token)
        if "reject-while-finishing" in self.quirks and evse is not None and evse.finished:
            return False
        return super().remote_start(evse_id, token, remote_start_id, at)

    def change_availability(
        self, evse_id: int, *, operative: bool, at: datetime
    ) -> Literal["Accepted", "Scheduled", "Rejected"]:
        """Takes an EVSE in or out of service."""
        if "nochangeavailability" in self.quirks:
            return "Rejected"
        return super().change_availability(evse_id, operative=operative, at=at)

    def composite(self, evse_id: int, at: datetime, duration_s: float) -> tuple[Period, ...] | None:
        """Returns what is allowed from `at` on; None where the station does not tell."""
        if "composite-unsupported" in self.quirks:
            return None
        return super().composite(evse_id, at, duration_s)

    def lose_power(self, at: datetime) -> None:
        """The station goes dark."""
        before = len(self.outbox)
        super().lose_power(at)
        if "powerloss-silent" in self.quirks:
            kept = [n for n in list(self.outbox)[:before] if not isinstance(n, Ended)]
            self.outbox.clear()
            self.outbox.extend(kept)

    def boot(self, reason: BootReason, at: datetime) -> None:
        """Starts the software."""
        self._blocked.clear()
        if "profile-lost-on-reboot" in self.quirks:
            self.limits.clear(
                profile_id=None, evse_id=None, purpose=Purpose.DEFAULT, stack_level=None
            )
        super().boot(reason, at)

    def hear(self, notice: Notice, answer: Answer, at: datetime) -> None:
        """Acts on what was answered to a notice."""
        refused = not answer.accepted and answer.status != "CallError"
        if isinstance(notice, Ask) and refused and "blocks-locally-on-invalid" in self.quirks:
            self._blocked.add(notice.token)
        if "ignores-invalid" in self.quirks and isinstance(notice, Ask | Started | Updated):
            answer = replace(answer, accepted=True)
        super().hear(notice, answer, at)

    def _new_evse(self, number: int) -> Evse:
        evse = OddEvse.of(number, self.kind)
        evse.quirks = self.quirks
        return evse
