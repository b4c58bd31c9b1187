"""A town in motion: sun, buildings, cars and stations on one time line, from one seed.

The world moves in whole minutes: `advance` lets energy flow, `due` gives what people and faults do
at the instant that has come. It knows physics and habits; what the service answers is brought in
by its driver (`simulators.driver`), which calls `plug`, `unplug`, `depart` and `arrive`. Nothing
here awaits, reads a clock or draws a number after the world is built, so that the same answers
give the same world.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from models.timeline import StepGrid, utc
from simulators.battery import SiteBattery
from simulators.building import load_power_w
from simulators.chance import stream
from simulators.checks import Checks
from simulators.circuits import Fuses
from simulators.faults import Outage, afflicted, check_faults, fronts, outages
from simulators.happenings import (
    RANGE_KEPT_SHARE,
    Asks,
    Booking,
    Breaks,
    Happening,
    Returns,
)
from simulators.heat import Warmth, warm
from simulators.ledger import STEP, Ledger
from simulators.odd_station import OddStation
from simulators.oracle import spare_car
from simulators.past import SiteHistory
from simulators.people import wishes
from simulators.quirks import check_quirks, deal
from simulators.replayed import check_played, measured_w, past_wishes, prices_at
from simulators.scenario import Scenario, SiteSpec
from simulators.scorecard import STEP_MINUTES, HeatTruth, OutageTruth, SiteTruth, Truth
from simulators.station import Station
from simulators.sun import BIN_MINUTES, cloud_cover, pv_power_w, weather_of_days
from simulators.vehicle import Car

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Place:
    """A site with its weather and load, one value per bin of five minutes."""

    spec: SiteSpec
    pv_w: npt.NDArray[np.float64]
    load_w: npt.NDArray[np.float64]
    """A heat pump is in it."""
    warmth: Warmth | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the meters of a site say, averaged since the last time."""

    pv_power_w: float
    load_power_w: float
    grid_power_w: float


class World:
    """One town, one seed, one order of events."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int | None = None,
        days: int | None = None,
        faults: Iterable[str] = (),
        quirks: Iterable[str] = (),
        start: datetime | None = None,
        people_of: Scenario | None = None,
    ) -> None:
        """Builds the town; `seed`, `days` and `start` are the scenario's where not given.

        Args:
            scenario: what is there.
            seed: what chance is drawn from.
            days: how many.
            start: of the first.
            faults: names of what goes wrong.
            quirks: names of what is wrong with stations.
            people_of: another scenario, whose people ask for cars here: two towns that differ in
                all else can be compared by what they do for the same people.

        Raises:
            BadInput: if a fault or quirk is not known, or the scenario's history is another.
        """
        self.scenario = scenario
        self.seed = scenario.seed if seed is None else seed
        self.days = scenario.days if days is None else days
        self.start = utc(scenario.start if start is None else start).replace(
            second=0, microsecond=0
        )
        self.end = self.start + timedelta(days=self.days)
        self.now = self.start
        self.faults = check_faults(faults)
        check_played(scenario, self.start, self.days, self.faults)
        self._order = itertools.count()
        self._ahead: list[tuple[datetime, int, Happening]] = []
        self._measured_at = self.start
        self.places = _places(scenario, self.start, self.days, self.seed, self.faults)
        self.site_of_station = {
            station.identity: site.id for site in scenario.sites for station in site.stations
        }
        self.cars = _cars(scenario)
        self.waiting: dict[str, Booking] = {}
        """Accepted bookings whose drivers have not set off, by id."""
        self.driving: dict[str, Booking] = {}
        """The bookings of the cars on the road, by car."""
        self.ledger = Ledger(self.cars.values(), tuple(self.places), self.start, self.days)
        self.checks = Checks()
        self.stations = self._stations(check_quirks(quirks))
        self.fuses = Fuses(scenario.sites, self.stations)
        self.batteries = {
            site.id: SiteBattery(site.battery, self.ledger.steps)
            for site in scenario.sites
            if site.battery is not None
        }
        self._schedule_people(people_of or scenario)
        self._schedule_outages()

    # Time

    def advance(self, to: datetime) -> None:
        """Lets time pass up to `to`; never backwards."""
        if to <= self.now:
            return
        for station in self.stations.values():
            station.advance(to)
        self.fuses.look()
        for site_id, battery in self.batteries.items():
            self._run(battery, self.places[site_id], to)
        self.now = to

    def due(self) -> list[Happening]:
        """Returns what happens now, in order; each is given once."""
        found: list[Happening] = []
        while self._ahead and self._ahead[0][0] <= self.now:
            found.append(heapq.heappop(self._ahead)[2])
        return found

    def schedule(self, at: datetime, happening: Happening) -> None:
        """Puts something into the future, at a whole minute."""
        at = max(at, self.now + MINUTE)
        heapq.heappush(self._ahead, (at, next(self._order), happening))

    def _run(self, battery: SiteBattery, place: Place, to: datetime) -> None:
        hours = (to - self.now).total_seconds() / 3600
        bin_now = (self.now - self.start) // timedelta(minutes=BIN_MINUTES)
        index = min(bin_now, len(place.load_w) - 1)
        battery.run(
            float(place.load_w[index] - place.pv_w[index]),
            self.ledger.drawn_wh[place.spec.id],
            now=self.now,
            hours=hours,
            step=min(self.ledger.steps - 1, (self.now - self.start) // STEP),
        )

    # Cars and cables

    def free_evse(self, site_id: str, preferred: str | None) -> tuple[str, int] | None:
        """Returns a free EVSE of the site: the preferred one, else AC before DC, in order."""
        free = [
            (station.kind.current_type == "DC", station.identity, evse.evse_id)
            for station in self.stations.values()
            if self.site_of_station[station.identity] == site_id and station.powered
            for evse in station.evses.values()
            if evse.car is None and evse.operative
        ]
        for _, identity, evse_id in free:
            if f"{identity}/{evse_id}" == preferred:
                return identity, evse_id
        return min(free)[1:] if free else None

    def plug(self, car: Car, where: tuple[str, int]) -> None:
        """Plugs a car in and holds its card to the reader."""
        identity, evse_id = where
        station = self.stations[identity]
        station.plug(evse_id, car, self.now)
        station.present(evse_id, car.token, self.now)
        if station.powered:
            self.ledger.plugged(car, self.site_of_station[identity], station, evse_id, self.now)

    def unplug(self, car: Car) -> None:
        """Takes the cable out, if there is one."""
        if car.plug is not None:
            identity, evse_id = car.plug
            self.stations[identity].unplug(evse_id, self.now)
            self.ledger.unplugged(car, self.now)

    def why_not(self, booking: Booking, car: Car | None) -> str:
        """Returns why the car can't be taken for the booking now; empty if it can."""
        if car is None:
            return "no-vehicle-named"
        if car.site_id != booking.pickup_site_id:
            return "vehicle-not-there"
        if car.soc_wh - booking.needs_wh(car) < RANGE_KEPT_SHARE * car.capacity_wh:
            return "too-little-energy"
        return ""

    def spare_car(self, booking: Booking) -> str | None:
        """Returns the car that somebody who stands there without one could have had, if any."""
        return spare_car(
            booking,
            now=self.now,
            cars=self.cars,
            waiting=tuple(self.waiting.values()),
            driving=self.driving,
            ledger=self.ledger,
        )

    def depart(self, booking: Booking, car: Car) -> None:
        """Drives off; the return is scheduled, as early or late as the driver's habits say."""
        habits = booking.wish.habits
        energy_wh = car.trip_energy_wh(booking.distance_km, habits.consumption_factor)
        driving = timedelta(
            minutes=60 * booking.distance_km / (2 * self.scenario.demand.mean_speed_km_h)
        )
        back_at = booking.end + timedelta(minutes=habits.returns_after_minutes)
        back_at = max(back_at, _whole_minute(self.now + driving))
        car.site_id = None
        del self.waiting[booking.id]
        self.driving[car.id] = booking
        self.ledger.departed(
            booking.id,
            car,
            at=self.now,
            back_at=back_at,
            distance_km=booking.distance_km,
            energy_wh=energy_wh,
        )
        self.schedule(back_at, Returns(booking, car, energy_wh))

    def arrive(self, returns: Returns) -> None:
        """Puts a car that comes back onto its site, not yet plugged in."""
        returns.car.drive(returns.booking.distance_km, returns.energy_wh)
        returns.car.site_id = returns.booking.dropoff_site_id
        del self.driving[returns.car.id]
        self.ledger.arrived(returns.car, self.now)

    def break_off(self, outage: Outage, *, begins: bool) -> None:
        """Begins or ends an outage, as far as physics go."""
        if outage.kind != "dead-station":
            return
        station = self.stations[outage.identity]
        held = [(e.evse_id, e.car) for e in station.evses.values() if e.car is not None]
        if begins:
            station.lose_power(self.now)
        else:
            station.regain_power(self.now)
        for evse_id, car in held:
            if begins:
                self.ledger.unplugged(car, self.now)
            else:
                site_id = self.site_of_station[outage.identity]
                self.ledger.plugged(car, site_id, station, evse_id, self.now)

    # Meters

    def measure(self) -> dict[str, Measurement]:
        """Returns what each site's meters say, averaged since the last call."""
        first = (self._measured_at - self.start) // timedelta(minutes=BIN_MINUTES)
        last = (self.now - self.start) // timedelta(minutes=BIN_MINUTES)
        hours = (self.now - self._measured_at).total_seconds() / 3600
        found: dict[str, Measurement] = {}
        for site_id, place in self.places.items():
            pv_w = float(place.pv_w[first:last].mean())
            load_w = float(place.load_w[first:last].mean())
            cars_w = self.ledger.take_drawn_wh(site_id) / hours
            battery = self.batteries.get(site_id)
            battery_w = 0.0 if battery is None else battery.take_wh() / hours
            found[site_id] = Measurement(
                round(pv_w, 1), round(load_w, 1), round(load_w + cars_w + battery_w - pv_w, 1)
            )
        self._measured_at = self.now
        return found

    # The end

    def truth(self) -> Truth:
        """Returns what happened, with all plugs ended now; asked for at the end of a run."""
        self.ledger.close(self.now)
        truth_of_limits = [each.limits.book.truth() for each in self.stations.values()]
        return Truth(
            scenario=self.scenario.name,
            seed=self.seed,
            faults=self.faults,
            quirks={
                identity: tuple(sorted(station.quirks))
                for identity, station in self.stations.items()
                if station.quirks
            },
            currency=self.scenario.currency,
            soc_value_per_kwh=self.scenario.soc_value_per_kwh,
            grid=StepGrid(self.start, STEP_MINUTES, self.ledger.steps),
            sites=tuple(self._truth_of_site(place) for place in self.places.values()),
            cars=self.ledger.truth_of_cars(self.scenario.min_soc_pct),
            bookings=tuple(self.ledger.bookings.values()),
            limits=tuple(
                sorted(
                    itertools.chain.from_iterable(truth_of_limits),
                    key=lambda limit: (limit.at, limit.station),
                )
            ),
            outages=tuple(
                OutageTruth(each.kind, each.identity, each.start, each.end)
                for each in self.ledger.outages
            ),
            circuits=self.fuses.truth(),
            moves=tuple(self.ledger.moves),
            messages=dict(sorted(self.checks.said.items())),
            complaints=tuple(self.checks.complaints),
        )

    def _truth_of_site(self, place: Place) -> SiteTruth:
        spec = place.spec
        prices = prices_at(self.scenario, spec, self.start, self.ledger.steps)
        hours = STEP_MINUTES / 60
        battery = self.batteries.get(spec.id)
        return SiteTruth(
            id=spec.id,
            name=spec.name,
            pv_power_w=_by_step(place.pv_w),
            load_power_w=_by_step(place.load_w),
            charging_power_w=tuple(
                energy_wh / hours for energy_wh in self.ledger.site_energy_wh[spec.id]
            ),
            import_price_per_kwh=prices.import_price_per_kwh,
            export_price_per_kwh=prices.export_price_per_kwh,
            import_co2_g_per_kwh=prices.import_co2_g_per_kwh,
            import_limit_w=spec.import_limit_w,
            export_limit_w=spec.export_limit_w,
            battery=battery and battery.truth(),
            heat=None if place.warmth is None else _truth_of_heat(place.warmth),
        )

    # Building

    def _stations(self, quirks: tuple[str, ...]) -> dict[str, Station]:
        scenario = self.scenario
        specs = [station for site in scenario.sites for station in site.stations]
        dealt = deal(quirks, [(s.identity, scenario.kind(s.kind).subprotocol) for s in specs])
        return {
            spec.identity: OddStation(
                spec.identity,
                scenario.kind(spec.kind),
                now=self.start,
                quirks=frozenset(spec.quirks) | dealt.get(spec.identity, frozenset()),
                meter_every_s=scenario.meter_every_s,
                idle_meter_every_s=scenario.idle_meter_every_s,
                on_draw=self._drawn,
            )
            for spec in specs
        }

    def _drawn(self, car: Car, at: datetime, seconds: float, energy_wh: float) -> None:
        assert car.plug is not None
        identity = car.plug[0]
        self.ledger.drew(car, self.site_of_station[identity], at, energy_wh)
        self.fuses.flowed(identity, at, seconds, energy_wh)

    def _schedule_people(self, scenario: Scenario) -> None:
        if scenario.history is None:
            drawn = wishes(scenario, self.start, self.days, stream(self.seed, "people"))
        else:
            drawn = past_wishes(scenario, self.start, self.days)
        for wish in afflicted(self.faults, drawn, self.seed):
            self.schedule(wish.asked_at, Asks(wish))

    def _schedule_outages(self) -> None:
        identities = tuple(  # slow ones: there cars hang all day, and it matters
            identity
            for identity, station in self.stations.items()
            if station.kind.current_type == "AC"
        )
        for outage in outages(self.faults, identities, self.start, self.days, self.seed):
            self.schedule(outage.start, Breaks(outage, begins=True))
            self.schedule(outage.end, Breaks(outage, begins=False))
            self.ledger.outages.append(outage)


def _whole_minute(instant: datetime) -> datetime:
    """Returns the next whole minute at or after `instant`."""
    floor = instant.replace(second=0, microsecond=0)
    return floor if floor == instant else floor + MINUTE


def _places(
    scenario: Scenario, start: datetime, days: int, seed: int, faults: Sequence[str]
) -> dict[str, Place]:
    bins = days * 24 * 60 // BIN_MINUTES
    weather = weather_of_days(scenario.sky, days, stream(seed, "weather"))
    cover = cloud_cover(
        weather,
        start,
        scenario.zone,
        bins,
        rng=stream(seed, "clouds"),
        fronts=fronts(faults, start, days, seed),
    )
    found: dict[str, Place] = {}
    for site in scenario.sites:
        past = site.history or SiteHistory()
        load_w = (
            measured_w(past.load_power_w, bins)
            if past.load_power_w
            else load_power_w(
                site.building, start, scenario.zone, bins, stream(seed, f"load {site.id}")
            )
        )
        pv_w = (
            measured_w(past.pv_power_w, bins)
            if past.pv_power_w
            else pv_power_w(site, start, cover, stream(seed, f"sun {site.id}"))
        )
        warmth = None if site.heat is None else warm(site.heat, start, scenario.zone, bins)
        found[site.id] = Place(
            spec=site,
            pv_w=pv_w,
            load_w=load_w if warmth is None else load_w + warmth.electric_w,
            warmth=warmth,
        )
    return found


def _cars(scenario: Scenario) -> dict[str, Car]:
    found: dict[str, Car] = {}
    for site in scenario.sites:
        for model_id in site.cars:
            model = scenario.model(model_id)
            number = len(found) + 1
            car_id = f"car-{number:02d}"
            found[car_id] = Car(
                id=car_id,
                model_id=model_id,
                vehicle_class=model.vehicle_class,
                token=f"04C0FFEE{number:06X}",
                capacity_wh=model.battery_capacity_wh,
                max_ac_power_w=model.max_ac_power_w,
                max_dc_power_w=model.max_dc_power_w,
                consumption_wh_per_km=model.consumption_wh_per_km,
                charge_efficiency=model.charge_efficiency,
                soc_wh=model.battery_capacity_wh * scenario.start_soc_pct / 100,
                odometer_km=12_000.0 + 137 * number,
                site_id=site.id,
            )
    return found


def _truth_of_heat(warmth: Warmth) -> HeatTruth:
    return HeatTruth(
        heat_w=_by_step(warmth.heat_w),
        electric_w=_by_step(warmth.electric_w),
        fuel_w=_by_step(warmth.fuel_w),
        fuel_price_per_kwh=warmth.fuel_price_per_kwh,
        fuel_co2_g_per_kwh=warmth.fuel_co2_g_per_kwh,
    )


def _by_step(values: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Returns the means of the bins of each step."""
    means = values.reshape(-1, STEP_MINUTES // BIN_MINUTES).mean(axis=1)
    return tuple(round(float(mean), 3) for mean in means)
