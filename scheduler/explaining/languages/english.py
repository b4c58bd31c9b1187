"""Reasons in English."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.plan import ReasonCode

MEANINGS: Mapping[ReasonCode, str] = {
    "DEADLINE": "A trip needs this energy.",
    "SUN": "The roof gives more than the building takes at this time.",
    "PAID": "Taking energy from the grid is paid for at this time.",
    "PRICE": "Energy costs less now than at other times while the car stands here.",
    "BATTERY": "The site's battery, or another car, gives this energy.",
    "LIMIT": "The limit of the circuit or of the site keeps the power down.",
    "PEAK": "More power would raise the peak of the import, which is paid for.",
    "MINIMUM": "The EVSE can't charge with less.",
    "READY": "The car is made ready for someone who walks up.",
    "KEEP": "Energy left in the battery at the end is worth more than it costs now.",
    "TRADE": "Part of this energy is given back when it is worth more.",
    "GIVE": "Energy is worth more to the site now than later in the car.",
    "OVERRIDE": "Somebody has asked for this car to charge otherwise for a while.",
}
"""What each code of charging means, without numbers."""

SENTENCES: Mapping[str, str] = {
    "DEADLINE": "{booking} at {pickup_at} needs {need_wh} in the battery; without this slot it"
    " would hold {without_wh} ({without_pct}).",
    "SUN": "The roof has {surplus_w} to spare; from the grid energy costs {import_price_per_kwh}.",
    "PAID": "Taking energy from the grid is paid for: it costs {price_per_kwh}.",
    "PRICE": "Energy costs {price_per_kwh} now, {mean_price_per_kwh} on average and up to"
    " {dearest_price_per_kwh} while the car stands here.",
    "BATTERY": "Batteries here give {given_w}; from the grid energy costs {import_price_per_kwh}.",
    "LIMIT.site": "The limit of site {limit}, {limit_w}, keeps the power down: all else draws"
    " {others_w}.",
    "LIMIT.circuit": "The limit of circuit {limit}, {limit_w}, keeps the power down: other EVSEs"
    " draw {others_w}.",
    "LIMIT.booking": "A limit of circuit or site leaves too little energy. Cars free then:"
    " {free} of {cars}; the fullest ({next}) holds {next_wh}.",
    "PEAK": "More power would raise the peak of the import beyond {peak_w}; it costs"
    " {price_per_kw}.",
    "MINIMUM": "The EVSE can't charge with less than {min_power_w}.",
    "KEEP": "Kept until the end, energy is worth {worth_per_kwh}; now it costs {price_per_kwh}.",
    "TRADE": "The car gives {given_wh} back, at up to {best_price_per_kwh}; now energy costs"
    " {price_per_kwh}.",
    "OVERRIDE": "Somebody has asked for it until {until_at}.",
    "GIVE": "The car gives {given_w}: energy costs {price_per_kwh} now, more than it is worth"
    " later in the car.",
    "READY": "The car holds {soc_wh} at the start and needs {need_wh}: {spare_wh} to spare.",
    "FIXED_VEHICLE": "The booking is for {vehicle} alone.",
    "ONLY": "None of the other cars of its class is free at that place and time ({cars} in all).",
    "LACK": "Other free cars: {free}, but the fullest of them ({next}) holds {next_wh} then:"
    " {lacks_wh} too little.",
    "CHOICE": "Other free cars: {free}. Of them could drive it too: {ready}; with this one all"
    " trips together cost least.",
    "NO_VEHICLE": "No car of class {classes} is free at that place and time ({cars} in all).",
    "NOT_ENOUGH_ENERGY": "Cars free then: {free} of {cars}, but none can be charged enough for it"
    " and for what follows.",
    "NO_EVSE": "No EVSE is free to charge the car.",
    "BEYOND_CAPACITY": "It takes {need_wh}; the largest battery holds {largest_wh}.",
    "TRIP": "On the road with {booking} until {back_at}.",
    "NOT_YET": "Not here before {from_at}.",
    "FULL": "The battery holds {soc_wh}, all that it may.",
    "CLOSED": "The EVSE is out of service.",
    "SUN_LATER": "The sun charges it from {then_at} on, with {then_w}.",
    "CHEAPER_LATER": "Energy costs {price_per_kwh} now and {then_price_per_kwh} from {then_at} on,"
    " when it charges.",
    "LATER": "It charges from {then_at} on, in time for all that it is to drive.",
    "ENOUGH": "It holds {soc_wh}; no trip needs more, and to charge costs more than it is worth.",
    "ENOUGH_FOR": "It holds {soc_wh}; {booking} at {pickup_at} needs {need_wh}.",
    "READY.promise": "{vehicle} can hold {soc_pct} at the start, {slack_wh} more than this trip"
    " and those after it need.",
    "READY.planned": "{vehicle} is planned to hold {soc_pct} at the start, {slack_wh} more than the"
    " trip takes.",
    "BOUND.energy": "It is ready with a probability of {probability_pct}; what stands against that"
    " most is too little energy.",
    "BOUND.return": "It is ready with a probability of {probability_pct}; what stands against that"
    " most is that the trip before may end late.",
    "NO_VEHICLE.at_risk": "At risk: the plan finds no car of its class that is free then and"
    " there.",
    "NOT_ENOUGH_ENERGY.at_risk": "At risk: cars are there, but none can be charged enough for it"
    " and for what follows.",
    "LIMIT.at_risk": "At risk: a limit of circuit or site leaves too little energy for it.",
    "NO_EVSE.at_risk": "At risk: no EVSE is free to charge a car for it.",
    "FIXED_VEHICLE.at_risk": "At risk: it is for one car alone, which can't serve it.",
    "BEYOND_CAPACITY.at_risk": "At risk: it takes more than the largest battery holds.",
    "PAUSE": "Minutes to spare between its trips: {pause_minutes}.",
    "CHOICE.promise": "Other cars that could drive it, less surely or less well used: {others}.",
    "SUN.promise": "{solar_pct} of what it charges for the trip comes from the roof.",
    "PROMISED": "The car's next trip begins at {next_at}.",
    "PAST": "The trip would begin in the past.",
    "HORIZON": "Bookings open {days} days before they begin.",
    "CLASS": "Cars of another class: {cars}.",
    "CLASS.none": "There is no car at all.",
    "PLACE": "Cars never at the pickup site with the drop-off site open to them: {cars}.",
    "TIME": "Cars not free at that time (on the road, resting or due elsewhere): {cars}.",
    "ENERGY_BEFORE": "Cars free, but not charged enough by the start: {cars}.",
    "ENERGY_AFTER": "Cars free and charged, but too empty afterwards for their next trip: {cars}.",
    "SPACE": "No charger of {site} is free for the car from then on.",
    "TURN": "{for_vehicle} is to take {charged_wh} at {evse}; a move costs {move_price}.",
    "TURN.trip": "{for_vehicle} is to take {charged_wh} at {evse}: {booking} at {pickup_at} needs"
    " {need_wh}, and it then holds {holds_wh}; a move costs {move_price}.",
    "TURN.free": "A free EVSE is to be used; a move costs {move_price}.",
    "ROOM": "It makes room for {for_vehicle}, which is to take {charged_wh} at {evse}; a move costs"
    " {move_price}.",
    "ROOM.trip": "It makes room for {for_vehicle}, which is to take {charged_wh} at {evse}:"
    " {booking} at {pickup_at} needs {need_wh}; a move costs {move_price}.",
    "ROOM.free": "Its EVSE is needed free; a move costs {move_price}.",
    "FAST": "It visits the fast charger {evse} until {leaves_at}, where it is to take {charged_wh};"
    " a move costs {move_price}.",
    "FAST.trip": "It visits the fast charger {evse} until {leaves_at}, where it is to take"
    " {charged_wh}: {booking} at {pickup_at} needs {need_wh}, and it then holds {holds_wh}; a move"
    " costs {move_price}.",
    "FAST.stays": "It goes to the fast charger {evse}, where it stays and is to take {charged_wh};"
    " a move costs {move_price}.",
    "FAST.free": "A fast charger is to be used; a move costs {move_price}.",
    "BACK": "It leaves the fast charger {evse}, where {for_vehicle} comes at {comes_at}; a move"
    " costs {move_price}.",
    "BACK.free": "It leaves the fast charger {evse}, which is to be free; a move costs"
    " {move_price}.",
    "MOVED": "Staff moves it until {until_at}.",
    "heading.charging": "Charging",
    "heading.bookings": "Bookings",
    "heading.unserved": "Bookings without a car",
    "heading.vehicles": "What the cars do at {at}",
    "heading.moves": "Moves by staff",
    "heading.way": "From, to",
    "heading.time": "Time",
    "heading.vehicle": "Car",
    "heading.power": "Power",
    "heading.why": "Why",
    "heading.booking": "Booking",
    "heading.state": "State",
    "heading.state.charging": "charging",
    "heading.state.giving": "giving",
    "heading.state.waiting": "waiting",
    "heading.state.parked": "parked",
    "heading.state.away": "away",
}
"""By code: the sentence with its numbers; and the headings of tables."""
