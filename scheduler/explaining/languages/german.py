"""Reasons in German."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "DEADLINE": "{booking} am {pickup_at} braucht {need_wh} im Akku; ohne diese Zeit wären es"
    " {without_wh} ({without_pct}).",
    "SUN": "Das Dach hat {surplus_w} übrig; aus dem Netz kostet Energie {import_price_per_kwh}.",
    "PAID": "Energie aus dem Netz bringt Geld ein: Sie kostet {price_per_kwh}.",
    "PRICE": "Energie kostet jetzt {price_per_kwh}, im Mittel {mean_price_per_kwh} und bis zu"
    " {dearest_price_per_kwh}, solange das Auto hier steht.",
    "BATTERY": "Akkus geben hier {given_w}; aus dem Netz kostet Energie {import_price_per_kwh}.",
    "LIMIT.site": "Die Grenze des Standorts {limit}, {limit_w}, hält die Leistung unten: Alles"
    " andere nimmt {others_w}.",
    "LIMIT.circuit": "Die Grenze des Stromkreises {limit}, {limit_w}, hält die Leistung unten:"
    " Andere Ladepunkte nehmen {others_w}.",
    "LIMIT.booking": "Eine Grenze von Stromkreis oder Standort lässt zu wenig Energie. Dann freie"
    " Autos: {free} von {cars}; das vollste ({next}) hat {next_wh}.",
    "PEAK": "Mehr Leistung höbe die Spitze des Bezugs über {peak_w}; sie kostet {price_per_kw}.",
    "MINIMUM": "Der Ladepunkt kann nicht mit weniger als {min_power_w} laden.",
    "KEEP": "Bis zum Ende aufgehoben ist Energie {worth_per_kwh} wert; jetzt kostet sie"
    " {price_per_kwh}.",
    "TRADE": "Das Auto gibt {given_wh} zurück, für bis zu {best_price_per_kwh}; jetzt kostet"
    " Energie {price_per_kwh}.",
    "OVERRIDE": "Jemand hat es so bestellt, bis {until_at}.",
    "GIVE": "Das Auto gibt {given_w}: Energie kostet jetzt {price_per_kwh}, mehr als sie später im"
    " Auto wert ist.",
    "READY": "Das Auto hat am Start {soc_wh} und braucht {need_wh}: {spare_wh} bleiben übrig.",
    "FIXED_VEHICLE": "Die Buchung gilt nur für {vehicle}.",
    "ONLY": "Kein anderes Auto der Klasse ist dann und dort frei ({cars} insgesamt).",
    "LACK": "Andere freie Autos: {free}, aber das vollste ({next}) hat dann nur {next_wh}: Es"
    " fehlen {lacks_wh}.",
    "CHOICE": "Andere freie Autos: {free}, davon könnten sie auch fahren: {ready}; mit diesem"
    " kosten alle Fahrten zusammen am wenigsten.",
    "NO_VEHICLE": "Kein Auto der Klasse {classes} ist dann und dort frei ({cars} insgesamt).",
    "NOT_ENOUGH_ENERGY": "Dann freie Autos: {free} von {cars}, aber keines kann genug geladen"
    " werden für diese Fahrt und was folgt.",
    "NO_EVSE": "Kein Ladepunkt ist frei, um das Auto zu laden.",
    "BEYOND_CAPACITY": "Sie braucht {need_wh}; der größte Akku fasst {largest_wh}.",
    "TRIP": "Unterwegs mit {booking} bis {back_at}.",
    "NOT_YET": "Nicht hier vor {from_at}.",
    "FULL": "Der Akku hat {soc_wh}, mehr darf er nicht haben.",
    "CLOSED": "Der Ladepunkt ist außer Betrieb.",
    "SUN_LATER": "Die Sonne lädt es ab {then_at}, mit {then_w}.",
    "CHEAPER_LATER": "Energie kostet jetzt {price_per_kwh} und ab {then_at}, wenn es lädt,"
    " {then_price_per_kwh}.",
    "LATER": "Es lädt ab {then_at}, rechtzeitig für alle seine Fahrten.",
    "ENOUGH": "Es hat {soc_wh}; keine Fahrt braucht mehr, und Laden kostet mehr, als es wert ist.",
    "ENOUGH_FOR": "Es hat {soc_wh}; {booking} am {pickup_at} braucht {need_wh}.",
    "READY.promise": "{vehicle} kann am Start {soc_pct} haben, {slack_wh} mehr, als diese Fahrt"
    " und die folgenden brauchen.",
    "READY.planned": "{vehicle} soll am Start {soc_pct} haben, {slack_wh} mehr, als die Fahrt"
    " braucht.",
    "BOUND.energy": "Es ist mit einer Wahrscheinlichkeit von {probability_pct} bereit; am meisten"
    " steht dem zu wenig Energie entgegen.",
    "BOUND.return": "Es ist mit einer Wahrscheinlichkeit von {probability_pct} bereit; am meisten"
    " steht dem entgegen, dass die Fahrt davor spät enden kann.",
    "NO_VEHICLE.at_risk": "Gefährdet: Der Plan findet kein Auto der Klasse, das dann und dort frei"
    " ist.",
    "NOT_ENOUGH_ENERGY.at_risk": "Gefährdet: Autos sind da, aber keines kann genug geladen werden"
    " für diese Fahrt und was folgt.",
    "LIMIT.at_risk": "Gefährdet: Eine Grenze von Stromkreis oder Standort lässt zu wenig Energie.",
    "NO_EVSE.at_risk": "Gefährdet: Kein Ladepunkt ist frei, um ein Auto zu laden.",
    "FIXED_VEHICLE.at_risk": "Gefährdet: Die Buchung gilt nur für ein Auto, das sie nicht bedienen"
    " kann.",
    "BEYOND_CAPACITY.at_risk": "Gefährdet: Sie braucht mehr, als der größte Akku fasst.",
    "PAUSE": "Minuten Luft zwischen seinen Fahrten: {pause_minutes}.",
    "CHOICE.promise": "Andere mögliche Autos, weniger sicher oder weniger gut genutzt: {others}.",
    "SUN.promise": "{solar_pct} von dem, was es für die Fahrt lädt, kommt vom Dach.",
    "PROMISED": "Die nächste Fahrt des Autos beginnt am {next_at}.",
    "PAST": "Die Fahrt würde in der Vergangenheit beginnen.",
    "HORIZON": "Buchen kann man {days} Tage im Voraus.",
    "CLASS": "Autos anderer Klasse: {cars}.",
    "CLASS.none": "Es gibt gar kein Auto.",
    "PLACE": "Autos nie am Abholort mit freiem Zugang zum Rückgabeort: {cars}.",
    "TIME": "Autos zu der Zeit nicht frei (unterwegs, in Pause oder woanders verplant): {cars}.",
    "ENERGY_BEFORE": "Autos frei, aber am Start nicht genug geladen: {cars}.",
    "ENERGY_AFTER": "Autos frei und geladen, aber danach zu leer für die nächste Fahrt: {cars}.",
    "SPACE": "Kein Ladepunkt von {site} ist von da an für das Auto frei.",
    "TURN": "{for_vehicle} soll an {evse} {charged_wh} laden; ein Umstellen kostet {move_price}.",
    "TURN.trip": "{for_vehicle} soll an {evse} {charged_wh} laden: {booking} um {pickup_at} braucht"
    " {need_wh}, dann sind {holds_wh} da; ein Umstellen kostet {move_price}.",
    "TURN.free": "Ein freier Ladepunkt soll genutzt werden; ein Umstellen kostet {move_price}.",
    "ROOM": "Es macht Platz für {for_vehicle}, das an {evse} {charged_wh} laden soll; ein Umstellen"
    " kostet {move_price}.",
    "ROOM.trip": "Es macht Platz für {for_vehicle}, das an {evse} {charged_wh} laden soll:"
    " {booking} um {pickup_at} braucht {need_wh}; ein Umstellen kostet {move_price}.",
    "ROOM.free": "Sein Ladepunkt soll frei werden; ein Umstellen kostet {move_price}.",
    "FAST": "Es kommt bis {leaves_at} an den Schnelllader {evse}, wo es {charged_wh} laden soll;"
    " ein Umstellen kostet {move_price}.",
    "FAST.trip": "Es kommt bis {leaves_at} an den Schnelllader {evse}, wo es {charged_wh} laden"
    " soll: {booking} um {pickup_at} braucht {need_wh}, dann sind {holds_wh} da; ein Umstellen"
    " kostet {move_price}.",
    "FAST.stays": "Es kommt an den Schnelllader {evse}, wo es bleibt und {charged_wh} laden soll;"
    " ein Umstellen kostet {move_price}.",
    "FAST.free": "Ein Schnelllader soll genutzt werden; ein Umstellen kostet {move_price}.",
    "BACK": "Es verlässt den Schnelllader {evse}, an den um {comes_at} {for_vehicle} kommt; ein"
    " Umstellen kostet {move_price}.",
    "BACK.free": "Es verlässt den Schnelllader {evse}, der frei sein soll; ein Umstellen kostet"
    " {move_price}.",
    "MOVED": "Das Personal stellt es bis {until_at} um.",
    "heading.charging": "Laden",
    "heading.bookings": "Buchungen",
    "heading.unserved": "Buchungen ohne Auto",
    "heading.vehicles": "Was die Autos am {at} tun",
    "heading.moves": "Umstellen durch das Personal",
    "heading.way": "Von, nach",
    "heading.time": "Zeit",
    "heading.vehicle": "Auto",
    "heading.power": "Leistung",
    "heading.why": "Warum",
    "heading.booking": "Buchung",
    "heading.state": "Zustand",
    "heading.state.charging": "lädt",
    "heading.state.giving": "gibt",
    "heading.state.waiting": "wartet",
    "heading.state.parked": "steht",
    "heading.state.away": "unterwegs",
}
"""By code: the sentence with its numbers; and the headings of tables."""
