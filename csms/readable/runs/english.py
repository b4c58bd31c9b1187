"""A report in English."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "policy.plan": "plan, as played",
    "policy.uncontrolled": "uncontrolled",
    "policy.surplus": "following the surplus",
    "policy.perfect_foresight": "perfect foresight",
    "policy.pv_maximum": "most sun possible",
    "policy.plan.meaning": "bookings and charging planned together, against the forecasts; what was"
    " played",
    "policy.uncontrolled.meaning": "each car charges at full power as soon as it is plugged in",
    "policy.surplus.meaning": "each site lets its cars draw what the roof has just been measured to"
    " spare",
    "policy.perfect_foresight.meaning": "least cost, knowing all trips and all clouds before: a"
    " bound",
    "policy.pv_maximum.meaning": "most sun into cars, knowing all before: a bound",
    "policy.other": "as played ({policy})",
    "policy.other.meaning": "what was played, with that planner",
    "title.one": "{name}, {count} day from {day}",
    "title.many": "{name}, {count} days from {day}",
    "headline": "{share} of the sun that the buildings left over went into the cars.",
    "headline.no_sun": "There was no sun left over for the cars.",
    "no_share": "no share",
    "story.sunmoov": "Sunmoov', the car-sharing service with solar charging that ran in Lyon"
    " Confluence from 2013 to 2015, published {mean} on average and {summer} on long summer days."
    " It measured years; these are simulated days: a yardstick, no race. On the same days and"
    " bookings, cars that charge as soon as they are plugged in take {uncontrolled}, following the"
    " measured surplus {surplus}, and nobody who knew everything before could take more than"
    " {pv_maximum}.",
    "story.bookings": "{served} of {over} bookings that are over were served, {missed} missed. Of"
    " {requested} requests {accepted} were accepted ({open} not over yet, {cancelled} cancelled)"
    " and {refused} refused.",
    "story.cost": "The cars' energy cost {cost}, {change} than uncontrolled ({free_cost}). No site"
    " drew more than {peak} from the grid, where uncontrolled charging takes {free_peak}.",
    "change.none": "not less",
    "change.less": "{share} less",
    "change.more": "{share} more",
    "tile.sun": "of the sun left over went into cars",
    "tile.bookings": "bookings served",
    "tile.cost": "energy cost of the cars",
    "tile.peak": "highest import of any site",
    "happened.messages": "OCPP messages",
    "happened.messages.said": "{count} in {version}",
    "happened.limits": "Limits to stations",
    "happened.limits.said": "{sent} sent by the service; stations accepted {accepted}, rejected"
    " {rejected} and did not keep {disobeyed}, of which the service noticed {disobeyed_noticed}",
    "happened.circuits": "Circuits",
    "happened.circuits.said": "highest load {share} of the limit; {over} minutes over it, {beyond}"
    " of them longer than a station takes to react",
    "happened.forecast": "Forecast of the sun",
    "happened.forecast.less": "over six hours it errs {share} less than a sky that stays as clear"
    " as in the last hour",
    "happened.forecast.more": "over six hours it errs {share} more than a sky that stays as clear"
    " as in the last hour",
    "happened.faults": "Faults on purpose",
    "happened.quirks": "Stations with quirks",
    "happened.complaints": "Complaints of the stations",
    "caption.site": "Sun {sun}, building {building}, cars {cars}, of which {used} from the"
    " roof{share}. Highest import {highest} of {allowed} allowed.",
    "caption.share": ", {share} of what was left over",
    "column.policy": "policy",
    "column.pv_to_cars_utilisation": "sun in\ncars, %",
    "column.pv_utilisation": "sun\nused, %",
    "column.energy_cost": "cost,\n{currency}",
    "column.co2_g": "CO2,\nkg",
    "column.peak_import_w": "peak,\nkW",
    "column.energy_to_cars_wh": "cars,\nkWh",
    "column.bookings_missed": "missed",
    "table.title.one": "{name}, {count} day, seed {seed}",
    "table.title.many": "{name}, {count} days, seed {seed}",
    "table.sunmoov": "Sunmoov' published {mean} on average and {summer} on long summer days.",
    "heading.policies": "The policies, on the same days and bookings",
    "heading.cars": "Cars, bookings and charging",
    "caption.cars": "Each row is a car. What it charges is coloured by where most of it came from.",
    "heading.happened": "What else happened",
    "note": "Hours are those of {zone}. Everything here is computed from what happened in the"
    " simulated world; report.json holds the figures.",
    "heading.why": "One plan, and why it was so",
    "note.why": "What each car did on {day} at {hour} and the reasons that the service gave for it;"
    " times in them are UTC.",
    "why.charging": "charging",
    "why.giving": "giving",
    "why.waiting": "waiting",
    "why.parked": "parked",
    "why.away": "away",
    "why.no_car": "no car",
    "picture.site": "{name}: sun, building and cars",
    "picture.sun": "sun, real",
    "picture.forecast": "sun, forecast an hour before at most",
    "picture.building": "building",
    "picture.left": "sun less building",
    "picture.cars": "cars, real",
    "picture.planned": "cars, planned",
    "picture.sky_kw": "sun and building, kW",
    "picture.cars_kw": "cars, kW",
    "picture.limit": "grid limit, {limit}",
    "picture.limit_far": "grid limit {limit}, far above",
    "picture.timeline": "Cars: bookings, trips and charging over the sun",
    "picture.all_sun": "sun of all sites, kW (pale area)",
    "picture.booked": "booked",
    "picture.trip": "on a trip",
    "picture.by_sun": "charging, mostly sun",
    "picture.by_grid": "charging, mostly grid",
    "picture.policies": "Policies on the same days",
    "picture.share": "share of the sun left over\nthat went into cars, %",
    "picture.cost": "energy cost of the cars,\n{currency}",
    "picture.peak": "highest import of any site,\nkW",
    "picture.yardstick": "dashed: Sunmoov' 2013 to 2015,\n{mean} on average, {summer} on long"
    " summer days",
    "picture.day": "%d %b",
}
"""By code: the sentence, or the words, with its numbers."""
