"""A comparison in English."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    # What is different.
    "cars.one": "{site} gets {count} more car ({model}).",
    "cars.many": "{site} gets {count} more cars ({model}).",
    "station_added": "{site} gets the charging station {station}.",
    "station_lost": "The charging station {station} is lost.",
    "pv_removed": "The solar plant of {site} is taken down.",
    "pv_factor": "The solar plant of {site} has {factor} times its power.",
    "pv_added": "{site} gets {power_w} of solar panels more.",
    "heat_loss": "{site} loses {share} of the heat it loses today.",
    "hot_water": "{site} needs {share} of its heat for hot water.",
    "load": "{site} needs {share} of its electricity for light and appliances.",
    "heat_pump": "{site} is heated by a heat pump, with water of {flow_c}.",
    "heat_unknown": "Of the heat of {site} only what comes is known, not what it takes today.",
    "battery": "{site} gets a battery of {capacity_wh} and {power_w}.",
    "staff": "Staff of {site} moves cars, for {price} each time.",
    "tariff": "Electricity has other prices by the hour, {low_price} to {high_per_kwh}.",
    "tariff_factor": "Electricity costs {factor} times as much.",
    "export_price": "Sun that is sold earns {price_per_kwh}.",
    "weather": "The weather is {weather}.",
    "weather.clear": "clear",
    "weather.fair": "fair",
    "weather.mixed": "mixed",
    "weather.overcast": "overcast",
    "planner": "Cars are charged {planner}.",
    "planner.plan": "as planned",
    "planner.uncontrolled": "at once and at full power",
    "planner.surplus": "with the surplus of the sun",
    "planner.perfect_foresight": "as planned by somebody who knows the weather to come",
    # What to know before believing it.
    "same.drawn": "Both runs have the same people with the same wishes, the same sky (unless the"
    " changes say another) and the same chance (seed {seed}).",
    "same.measured": "Both runs have the same people with the same wishes, the measured sky (unless"
    " the changes say another) and the same chance (seed {seed}).",
    "real": "The real service plans and commands in both; what is simulated is the town around it.",
    "stored": "What is left in cars and batteries at the end, less what was there at the start,"
    " counts {stored_per_kwh}.",
    "energy_only": "Only energy and moves of cars are counted: not what the changes cost, nor save"
    " elsewhere.",
    "battery_alone": "The battery works by itself: it stores sun that neither building nor cars"
    " take, and gives it back before electricity is bought. It begins empty; the plan does not know"
    " of it, so that a battery that follows the plan could earn more.",
    "battery_planned": "The battery works by the plan: it stores sun that neither building nor cars"
    " take, and cheap electricity, and gives it back when electricity is dear. It begins empty.",
    "heat": "Heat is reckoned from the difference between inside and outside, with the mean air of"
    " the month and a swing over the day, and nothing stores it; the heat pump is a mean one of the"
    " market.",
    "sky_drawn": "The sky of the changed run is drawn by chance; that of today was measured.",
    "sky_scaled": "More of the same roof gives as much more as was measured; one beside it gives"
    " what it would under a clear sky, times the clearness measured there, or else elsewhere.",
    "few_days": "So few days say little of a year; play at least a week of each season.",
    # What a scenario from history has of the rows, and what it has not.
    "past.equipment": "Equipment as it is stored now: {sites} sites, {stations} stations with"
    " {evses} EVSEs, {vehicles} vehicles.",
    "past.bookings": "{bookings} bookings of {drivers} people, asked for when they were:"
    " {bookings_cancelled} of them cancelled, {bookings_not_fetched} not fetched.",
    "past.trips": "{trips} trips with the times of leaving and return; of {trips_with_energy} the"
    " energy that they took, of {trips_with_plug_in} when the car was plugged in afterwards.",
    "past.measured": "Sun in {sun_steps} and load of buildings in {load_steps} quarters of an hour"
    " of a site, as measured.",
    "past.prices": "Prices as stored for {price_steps} quarters of an hour of a site.",
    "past.again.one": "Today is this day played again by the service as it is now, not what bills"
    " said: it may give a booking another car than then.",
    "past.again.many": "Today is these {count} days played again by the service as it is now, not"
    " what bills said: it may give a booking another car than then.",
    "past.refused": "Whoever was refused then left no booking, and does not ask here.",
    "past.soc_told": "Cars stand at home at the start, as full as they were at their first trips in"
    " the mean.",
    "past.soc_unknown": "Cars stand at home at the start, 80 % full: nobody told how full they"
    " were.",
    "past.bookings_under_way": "{count} bookings that had begun before are left out.",
    "past.bookings_asked_before": "{count} bookings were made before these days; they are asked for"
    " in the first half hour.",
    "past.bookings_called_off_at_once": "{count} bookings that were cancelled before they could be"
    " asked for here are left out.",
    "past.sun_steps_filled": "{count} quarters of an hour of sun were not measured; they have the"
    " clearness between their neighbours.",
    "past.load_steps_filled": "{count} quarters of an hour of load were not measured; up to an hour"
    " a straight line fills them, longer gaps have the mean of the same time on the other days.",
    "past.sites_without_load": "At {count} sites no load of a building was measured; there is"
    " none.",
    "past.price_steps_assumed": "For {count} quarters of an hour of a site no price is stored, or"
    " only one that is doubted; they have those that plans assume, 0.20 bought and 0.06 sold.",
    "past.names_changed": "{count} sites or stations have other names here, since a file allows"
    " fewer.",
    "past.trips_without_energy": "{count} trips took what their distance takes in the mean.",
    "past.trips_without_plug_in": "After {count} trips cars are plugged in at once.",
    "past.odd": "Not played as stored: {count} {what}.",
    "odd.stations_without_evse": "stations without an EVSE",
    "odd.stations_with_unlike_evses": "stations with unlike EVSEs",
    "odd.stations_of_unknown_version": "stations whose version of OCPP is not known",
    "odd.stations_without_safe_limit": "stations without a safe limit",
    "odd.batteries_of_one_way": "batteries that can't do both",
    "odd.batteries_emptied": "batteries, empty at the start",
    "odd.phase_limits": "limits of single phases",
    "odd.loads_with_store": "loads with a store",
    "odd.peak_or_co2_prices": "sites with a price of the peak or of CO2",
    # The answers at the top, and the sentence over them.
    "headline.one": "{title}: in {count} day {cost}, {carbon}, and {bookings}.",
    "headline.many": "{title}: in {count} days {cost}, {carbon}, and {bookings}.",
    "untitled": "With these changes",
    "cost.same": "energy costs the same",
    "cost.less": "energy costs {change} less{share}",
    "cost.more": "energy costs {change} more{share}",
    "carbon.same": "CO2 is the same",
    "carbon.less": "CO2 is {change} less{share}",
    "carbon.more": "CO2 is {change} more{share}",
    "share": " ({share})",
    "served.same": "as many bookings are served ({today})",
    "served.more.one": "{count} more booking is served",
    "served.more.many": "{count} more bookings are served",
    "served.fewer.one": "{count} fewer booking is served",
    "served.fewer.many": "{count} fewer bookings are served",
    "missed.none": "{served}, none missed",
    "missed.some.one": "{served}, of those promised {count} missed",
    "missed.some.many": "{served}, of those promised {count} missed",
    "asks.cost": "What does it cost, or save?",
    "asks.sun": "How much of the roofs' sun goes into cars?",
    "asks.cars": "Is anybody left without a car?",
    "asks.carbon": "What becomes of CO2?",
    "answer.cost": "Energy costs {other} instead of {today}. What the works and the equipment cost"
    " is not in it.",
    "answer.carbon": "{other} instead of {today}, by the electricity bought and the fuel burnt.",
    "answer.sun": "{into} of the roofs' sun goes straight into cars (today {into_today}): that is"
    " {of_cars} of what the cars charge (today {of_cars_today}). Buildings, cars and batteries"
    " together use {used} of the sun on the spot (today {used_today}).",
    "answer.cars.none.one": "Every promised car was there: {count} booking served (today"
    " {served_today}).",
    "answer.cars.none.many": "Every promised car was there: {count} bookings served (today"
    " {served_today}).",
    "answer.cars.missed": "Promised cars that were not there: {missed} (today {missed_today});"
    " bookings served: {served} (today {served_today}).",
    "answer.cars.refused": "Wishes that could not be met: {refused} of {wishes} (today"
    " {refused_today}).",
    "answer.cars.all_met.one": "The one wish was not refused (today {refused_today}).",
    "answer.cars.all_met.many": "No wish of {count} was refused (today {refused_today}).",
    "answer.no_wishes": "Nobody asked for a car in these days.",
    "answer.no_sun": "The roofs give no sun in these days.",
    "nobody": "Nobody",
    "no_sun": "no sun",
    "points": "points",
    # The page.
    "title.one": "{name}, {count} day from {day}: what if",
    "title.many": "{name}, {count} days from {day}: what if",
    "heading.changes": "What is different",
    "heading.table": "What it comes to",
    "heading.today": "today",
    "heading.changed": "changed",
    "heading.difference": "difference",
    "heading.taken": "What was taken from history",
    "heading.assumptions": "What to know before believing it",
    "note": "Days are those of {zone}. comparison.json holds all figures, for each place too.",
    "bars": "Where the energy comes from, and where the sun of the roofs goes.",
    "bar.energy.today": "energy, today",
    "bar.energy.changed": "energy, changed",
    "bar.sun.today": "sun, today",
    "bar.sun.changed": "sun, changed",
    "piece.used_at_once": "sun, used at once",
    "piece.from_batteries_kwh": "from the battery",
    "piece.bought_kwh": "electricity bought",
    "piece.fuel_kwh": "fuel bought",
    "piece.sun_to_buildings_kwh": "sun into the building",
    "piece.sun_to_cars_kwh": "sun into the cars",
    "piece.sun_to_batteries_kwh": "sun into the battery",
    "piece.sold_kwh": "sun sold",
    "row.cost": "Energy, all in all",
    "row.cost.meaning": "bought, less sold, less what is left stored",
    "row.bought_kwh": "Electricity bought",
    "row.bought_cost": "Paid for electricity",
    "row.fuel_kwh": "Fuel for heating bought",
    "row.fuel_cost": "Paid for fuel",
    "row.sold_kwh": "Sun sold",
    "row.sold_revenue": "Earned with sun",
    "row.stored_value": "Worth of what is left stored",
    "row.stored_value.meaning": "in cars and batteries",
    "row.co2_kg": "CO2",
    "row.co2_kg.meaning": "of the electricity bought and the fuel burnt",
    "row.peak_import_kw": "Highest power from the grid",
    "row.peak_import_kw.meaning": "of any one place",
    "row.sun_used_share": "Share of the sun that is used on the spot",
    "row.sun_to_buildings_kwh": "Sun into the buildings",
    "row.sun_to_cars_kwh": "Sun into the cars",
    "row.sun_to_cars_kwh.meaning": "at once, not by a battery",
    "row.sun_to_batteries_kwh": "Sun into the battery",
    "row.heat_pump_kwh": "Electricity of the heat pump",
    "row.cars_kwh": "Electricity of the cars",
    "row.cars_moved": "Cars moved by staff",
    "row.moves_cost": "Paid for moving cars",
    "row.bookings_served": "Bookings served",
    "row.wishes_refused": "Wishes for a car refused",
    "row.bookings_missed": "Promised cars that were not there",
}
"""By code: the sentence, or the words, with its numbers."""
