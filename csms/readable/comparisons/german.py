"""A comparison in German."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    # What is different.
    "cars.one": "{site} bekommt {count} Auto mehr ({model}).",
    "cars.many": "{site} bekommt {count} Autos mehr ({model}).",
    "station_added": "{site} bekommt die Ladestation {station}.",
    "station_lost": "Die Ladestation {station} fällt weg.",
    "pv_removed": "{site}: Die Solaranlage wird abgebaut.",
    "pv_factor": "{site}: Die Solaranlage hat das {factor}-Fache ihrer Leistung.",
    "pv_added": "{site} bekommt {power_w} Solarmodule dazu.",
    "heat_loss": "{site} verliert {share} der Wärme, die heute verloren geht.",
    "hot_water": "{site} braucht für warmes Wasser {share} der Wärme von heute.",
    "load": "{site} braucht für Licht und Geräte {share} des Stroms von heute.",
    "heat_pump": "{site} wird mit einer Wärmepumpe geheizt, mit Wasser von {flow_c}.",
    "heat_unknown": "{site}: Bekannt ist nur der künftige Bedarf an Wärme, nicht der heutige.",
    "battery": "{site} bekommt eine Batterie mit {capacity_wh} und {power_w}.",
    "staff": "{site}: Personal stellt Autos um, für {price} jedes Mal.",
    "tariff": "Strom hat andere Preise je Stunde, {low_price} bis {high_per_kwh}.",
    "tariff_factor": "Strom kostet das {factor}-Fache.",
    "export_price": "Verkaufter Solarstrom bringt {price_per_kwh} ein.",
    "weather": "Das Wetter ist {weather}.",
    "weather.clear": "klar",
    "weather.fair": "heiter",
    "weather.mixed": "wechselhaft",
    "weather.overcast": "bedeckt",
    "planner": "Autos werden {planner} geladen.",
    "planner.plan": "nach Plan",
    "planner.uncontrolled": "sofort und mit voller Leistung",
    "planner.surplus": "mit dem Überschuss der Sonne",
    "planner.perfect_foresight": "nach dem Plan von jemandem, der das künftige Wetter kennt,",
    # What to know before believing it.
    "same.drawn": "Beide Rechnungen haben dieselben Leute mit denselben Wünschen, denselben Himmel"
    " (wenn die Änderungen keinen anderen nennen) und denselben Zufall (Startwert {seed}).",
    "same.measured": "Beide Rechnungen haben dieselben Leute mit denselben Wünschen, den gemessenen"
    " Himmel (wenn die Änderungen keinen anderen nennen) und denselben Zufall (Startwert {seed}).",
    "real": "In beiden plant und steuert der wirkliche Dienst; simuliert ist nur die Stadt um ihn"
    " herum.",
    "stored": "Was am Ende in Autos und Batterien übrig ist, abzüglich dessen, was am Anfang da"
    " war, zählt {stored_per_kwh}.",
    "energy_only": "Gezählt werden nur Energie und umgestellte Autos: nicht, was die Änderungen"
    " kosten, und nicht, was sie anderswo sparen.",
    "battery_alone": "Die Batterie arbeitet für sich: Sie speichert Sonne, die weder Gebäude noch"
    " Autos nehmen, und gibt sie zurück, bevor Strom gekauft wird. Sie ist am Anfang leer; der Plan"
    " kennt sie nicht: Eine Batterie, die dem Plan folgt, könnte mehr einbringen.",
    "battery_planned": "Die Batterie folgt dem Plan: Sie speichert Sonne, die weder Gebäude noch"
    " Autos nehmen, und billigen Strom, und gibt ihn zurück, wenn Strom teuer ist. Sie ist am"
    " Anfang leer.",
    "heat": "Wärme wird aus dem Unterschied von innen und außen berechnet, mit der mittleren Luft"
    " des Monats und einer Schwankung über den Tag; nichts speichert sie. Die Wärmepumpe ist eine"
    " mittlere des Marktes.",
    "sky_drawn": "Der Himmel der geänderten Rechnung ist ausgelost; der von heute wurde gemessen.",
    "sky_scaled": "Mehr von demselben Dach gibt so viel mehr, wie gemessen wurde; eines daneben"
    " gibt, was es bei klarem Himmel gäbe, mal der dort (oder sonst anderswo) gemessenen Klarheit.",
    "few_days": "So wenige Tage sagen wenig über ein Jahr: Rechnen Sie mindestens eine Woche jeder"
    " Jahreszeit.",
    # What a scenario from history has of the rows, and what it has not.
    "past.equipment": "Ausstattung, wie sie jetzt gespeichert ist. Standorte: {sites}, Stationen:"
    " {stations}, Ladepunkte: {evses}, Autos: {vehicles}.",
    "past.bookings": "Buchungen: {bookings} von {drivers} Leuten, erbeten, wann sie es wurden;"
    " storniert: {bookings_cancelled}, nicht abgeholt: {bookings_not_fetched}.",
    "past.trips": "Fahrten mit den Zeiten von Abfahrt und Rückkehr: {trips}; mit bekannter Energie:"
    " {trips_with_energy}, mit bekannter Zeit des Ansteckens danach: {trips_with_plug_in}.",
    "past.measured": "Viertelstunden eines Standorts, wie gemessen: {sun_steps} von der Sonne,"
    " {load_steps} vom Verbrauch der Gebäude.",
    "past.prices": "Viertelstunden eines Standorts mit gespeicherten Preisen: {price_steps}.",
    "past.again.one": "„Heute“ heißt: dieser Tag, vom Dienst, wie er jetzt ist, noch einmal"
    " gespielt, nicht was auf Rechnungen stand; eine Buchung kann ein anderes Auto bekommen als"
    " damals.",
    "past.again.many": "„Heute“ heißt: diese {count} Tage, vom Dienst, wie er jetzt ist, noch"
    " einmal gespielt, nicht was auf Rechnungen stand; eine Buchung kann ein anderes Auto"
    " bekommen als damals.",
    "past.refused": "Wer damals abgewiesen wurde, hat keine Buchung hinterlassen und fragt hier"
    " nicht.",
    "past.soc_told": "Autos stehen am Anfang an ihrem Platz, so voll, wie sie bei ihren ersten"
    " Fahrten im Mittel waren.",
    "past.soc_unknown": "Autos stehen am Anfang an ihrem Platz, zu 80 % voll: Niemand hat gesagt,"
    " wie voll sie waren.",
    "past.bookings_under_way": "Buchungen, die vorher begonnen hatten und weggelassen sind:"
    " {count}.",
    "past.bookings_asked_before": "Buchungen von vor diesen Tagen, erbeten in der ersten halben"
    " Stunde: {count}.",
    "past.bookings_called_off_at_once": "Buchungen, die storniert wurden, bevor sie hier erbeten"
    " werden konnten, und weggelassen sind: {count}.",
    "past.sun_steps_filled": "Nicht gemessene Viertelstunden der Sonne: {count}; sie haben die"
    " Klarheit ihrer Nachbarn.",
    "past.load_steps_filled": "Nicht gemessene Viertelstunden des Verbrauchs: {count}; bis zu"
    " einer Stunde füllt sie eine gerade Linie, längere Lücken das Mittel derselben Zeit der"
    " anderen Tage.",
    "past.sites_without_load": "Standorte, an denen kein Verbrauch eines Gebäudes gemessen wurde:"
    " {count}; dort gibt es keinen.",
    "past.price_steps_assumed": "Viertelstunden eines Standorts ohne gespeicherten Preis oder mit"
    " einem, der angezweifelt wird: {count}; sie haben die Preise, die Pläne"
    " annehmen, 0,20 im Einkauf und 0,06 im Verkauf.",
    "past.names_changed": "Standorte oder Stationen, die hier anders heißen, weil eine Datei"
    " weniger Zeichen erlaubt: {count}.",
    "past.trips_without_energy": "Fahrten, die so viel nahmen wie ihre Strecke im Mittel: {count}.",
    "past.trips_without_plug_in": "Fahrten, nach denen das Auto sofort angesteckt wird: {count}.",
    "past.odd": "Nicht wie gespeichert gespielt, {what}: {count}.",
    "odd.stations_without_evse": "Stationen ohne Ladepunkt",
    "odd.stations_with_unlike_evses": "Stationen mit ungleichen Ladepunkten",
    "odd.stations_of_unknown_version": "Stationen mit unbekannter Version von OCPP",
    "odd.stations_without_safe_limit": "Stationen ohne sichere Grenze",
    "odd.batteries_of_one_way": "Batterien, die nicht beides können",
    "odd.batteries_emptied": "Batterien, am Anfang leer",
    "odd.phase_limits": "Grenzen einzelner Phasen",
    "odd.loads_with_store": "Verbraucher mit Speicher",
    "odd.peak_or_co2_prices": "Standorte mit einem Preis der Spitze oder des CO2",
    # The answers at the top, and the sentence over them.
    "headline.one": "{title}: In {count} Tag {cost}, {carbon}, und {bookings}.",
    "headline.many": "{title}: In {count} Tagen {cost}, {carbon}, und {bookings}.",
    "untitled": "Mit diesen Änderungen",
    "cost.same": "kostet Energie gleich viel",
    "cost.less": "kostet Energie {change} weniger{share}",
    "cost.more": "kostet Energie {change} mehr{share}",
    "carbon.same": "bleibt CO2 gleich",
    "carbon.less": "entstehen {change} CO2 weniger{share}",
    "carbon.more": "entstehen {change} CO2 mehr{share}",
    "share": " ({share})",
    "served.same": "gleich viele Buchungen werden bedient ({today})",
    "served.more.one": "{count} Buchung mehr wird bedient",
    "served.more.many": "{count} Buchungen mehr werden bedient",
    "served.fewer.one": "{count} Buchung weniger wird bedient",
    "served.fewer.many": "{count} Buchungen weniger werden bedient",
    "missed.none": "{served}, keine verfehlt",
    "missed.some.one": "{served}, von den zugesagten {count} verfehlt",
    "missed.some.many": "{served}, von den zugesagten {count} verfehlt",
    "asks.cost": "Was kostet oder spart es?",
    "asks.sun": "Wie viel der Sonne von den Dächern geht in Autos?",
    "asks.cars": "Bleibt jemand ohne Auto?",
    "asks.carbon": "Was wird aus dem CO2?",
    "answer.cost": "Energie kostet {other} statt {today}. Was Bauarbeiten und Geräte kosten, ist"
    " nicht dabei.",
    "answer.carbon": "{other} statt {today}, durch den gekauften Strom und den verbrannten"
    " Brennstoff.",
    "answer.sun": "{into} der Sonne von den Dächern gehen direkt in Autos (heute {into_today}):"
    " Das sind {of_cars} von dem, was die Autos laden (heute {of_cars_today}). Gebäude, Autos und"
    " Batterien zusammen nutzen {used} der Sonne vor Ort (heute {used_today}).",
    "answer.cars.none.one": "Alle zugesagten Autos waren da: {count} Buchung bedient (heute"
    " {served_today}).",
    "answer.cars.none.many": "Alle zugesagten Autos waren da: {count} Buchungen bedient (heute"
    " {served_today}).",
    "answer.cars.missed": "Zugesagte Autos, die nicht da waren: {missed} (heute {missed_today});"
    " bediente Buchungen: {served} (heute {served_today}).",
    "answer.cars.refused": "Wünsche, die nicht erfüllt werden konnten: {refused} von {wishes}"
    " (heute {refused_today}).",
    "answer.cars.all_met.one": "Der eine Wunsch wurde nicht abgelehnt (heute {refused_today}).",
    "answer.cars.all_met.many": "Von {count} Wünschen wurde keiner abgelehnt (heute"
    " {refused_today}).",
    "answer.no_wishes": "Niemand wollte an diesen Tagen ein Auto.",
    "answer.no_sun": "Die Dächer geben an diesen Tagen keine Sonne.",
    "nobody": "Niemand",
    "no_sun": "keine Sonne",
    "points": "Punkte",
    # The page.
    "title.one": "{name}, {count} Tag ab dem {day}: Was wäre, wenn",
    "title.many": "{name}, {count} Tage ab dem {day}: Was wäre, wenn",
    "heading.changes": "Was anders ist",
    "heading.table": "Was es ergibt",
    "heading.today": "heute",
    "heading.changed": "geändert",
    "heading.difference": "Unterschied",
    "heading.taken": "Was aus vergangenen Tagen kommt",
    "heading.assumptions": "Was man wissen muss, bevor man es glaubt",
    "note": "Die Tage folgen der Ortszeit ({zone}). Die Datei comparison.json enthält alle Zahlen,"
    " auch für jeden Ort.",
    "bars": "Woher die Energie kommt, und wohin die Sonne der Dächer geht.",
    "bar.energy.today": "Energie, heute",
    "bar.energy.changed": "Energie, geändert",
    "bar.sun.today": "Sonne, heute",
    "bar.sun.changed": "Sonne, geändert",
    "piece.used_at_once": "Sonne, sofort genutzt",
    "piece.from_batteries_kwh": "aus der Batterie",
    "piece.bought_kwh": "Strom gekauft",
    "piece.fuel_kwh": "Brennstoff gekauft",
    "piece.sun_to_buildings_kwh": "Sonne ins Gebäude",
    "piece.sun_to_cars_kwh": "Sonne in die Autos",
    "piece.sun_to_batteries_kwh": "Sonne in die Batterie",
    "piece.sold_kwh": "Sonne verkauft",
    "row.cost": "Energie, alles in allem",
    "row.cost.meaning": "gekauft, abzüglich verkauft, abzüglich des gespeicherten Rests",
    "row.bought_kwh": "Strom gekauft",
    "row.bought_cost": "Für Strom bezahlt",
    "row.fuel_kwh": "Brennstoff zum Heizen gekauft",
    "row.fuel_cost": "Für Brennstoff bezahlt",
    "row.sold_kwh": "Solarstrom verkauft",
    "row.sold_revenue": "Mit Sonne verdient",
    "row.stored_value": "Wert des gespeicherten Rests",
    "row.stored_value.meaning": "in Autos und Batterien",
    "row.co2_kg": "Ausstoß von CO2",
    "row.co2_kg.meaning": "des gekauften Stroms und des verbrannten Brennstoffs",
    "row.peak_import_kw": "Höchste Leistung aus dem Netz",
    "row.peak_import_kw.meaning": "an einem einzelnen Ort",
    "row.sun_used_share": "Anteil der Sonne, der vor Ort genutzt wird",
    "row.sun_to_buildings_kwh": "Sonne in die Gebäude",
    "row.sun_to_cars_kwh": "Sonne in die Autos",
    "row.sun_to_cars_kwh.meaning": "sofort, nicht über eine Batterie",
    "row.sun_to_batteries_kwh": "Sonne in die Batterie",
    "row.heat_pump_kwh": "Strom der Wärmepumpe",
    "row.cars_kwh": "Strom der Autos",
    "row.cars_moved": "Vom Personal umgestellte Autos",
    "row.moves_cost": "Für das Umstellen bezahlt",
    "row.bookings_served": "Buchungen bedient",
    "row.wishes_refused": "Wünsche nach einem Auto abgelehnt",
    "row.bookings_missed": "Zugesagte Autos, die nicht da waren",
}
"""By code: the sentence, or the words, with its numbers."""
