"""A report in German."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "policy.plan": "Plan, gespielt",
    "policy.uncontrolled": "ungesteuert",
    "policy.surplus": "mit Überschuss",
    "policy.perfect_foresight": "kennt Zukunft",
    "policy.pv_maximum": "meiste Sonne",
    "policy.plan.meaning": "Buchungen und Laden zusammen geplant, nach den Vorhersagen; was"
    " gespielt wurde",
    "policy.uncontrolled.meaning": "jedes Auto lädt mit voller Leistung, sobald es angesteckt ist",
    "policy.surplus.meaning": "jeder Standort lässt seine Autos nehmen, was das Dach nach den"
    " Zählern gerade übrig hat",
    "policy.perfect_foresight.meaning": "die geringsten Kosten, wenn man alle Fahrten und Wolken"
    " vorher kennt: eine Schranke",
    "policy.pv_maximum.meaning": "die meiste Sonne in die Autos, wenn man alles vorher weiß: eine"
    " Schranke",
    "policy.other": "wie gespielt ({policy})",
    "policy.other.meaning": "was gespielt wurde, mit dieser Regel",
    "title.one": "{name}, {count} Tag ab dem {day}",
    "title.many": "{name}, {count} Tage ab dem {day}",
    "headline": "{share} der Sonne, die die Gebäude übrig ließen, gingen in die Autos.",
    "headline.no_sun": "Für die Autos blieb keine Sonne übrig.",
    "no_share": "kein Anteil",
    "story.sunmoov": "Sunmoov', der Autoverleih mit solarem Laden in Lyon Confluence von 2013 bis"
    " 2015, hat {mean} im Mittel und {summer} an langen Sommertagen veröffentlicht. Er maß Jahre;"
    " dies sind simulierte Tage: ein Maßstab, kein Wettrennen. An denselben Tagen und mit denselben"
    " Buchungen nehmen Autos, die laden, sobald sie angesteckt sind, {uncontrolled}, dem gemessenen"
    " Überschuss folgend {surplus}, und wer alles vorher wüsste, könnte nicht mehr als {pv_maximum}"
    " nehmen.",
    "story.bookings": "Buchungen, die vorbei sind: {over}, davon bedient: {served}, verfehlt:"
    " {missed}. Wünsche: {requested}, davon angenommen: {accepted} (noch nicht vorbei: {open},"
    " storniert: {cancelled}), abgelehnt: {refused}.",
    "story.cost": "Die Energie der Autos kostete {cost}, {change} als ungesteuert ({free_cost})."
    " Kein Standort zog mehr als {peak} aus dem Netz; ungesteuert sind es {free_peak}.",
    "change.none": "nicht weniger",
    "change.less": "{share} weniger",
    "change.more": "{share} mehr",
    "tile.sun": "der übrigen Sonne gingen in Autos",
    "tile.bookings": "Buchungen bedient",
    "tile.cost": "Energiekosten der Autos",
    "tile.peak": "höchster Bezug eines Standorts",
    "happened.messages": "Nachrichten über OCPP",
    "happened.messages.said": "{count} mit {version}",
    "happened.limits": "Grenzen an Stationen",
    "happened.limits.said": "vom Dienst gesendet: {sent}; von Stationen angenommen: {accepted},"
    " abgelehnt: {rejected}, nicht eingehalten: {disobeyed}, davon vom Dienst bemerkt:"
    " {disobeyed_noticed}",
    "happened.circuits": "Stromkreise",
    "happened.circuits.said": "höchste Last {share} der Grenze; Minuten darüber: {over}, davon"
    " länger, als eine Station zum Reagieren braucht: {beyond}",
    "happened.forecast": "Vorhersage der Sonne",
    "happened.forecast.less": "über sechs Stunden irrt sie {share} weniger als ein Himmel, der so"
    " klar bleibt wie in der letzten Stunde",
    "happened.forecast.more": "über sechs Stunden irrt sie {share} mehr als ein Himmel, der so klar"
    " bleibt wie in der letzten Stunde",
    "happened.faults": "Absichtliche Fehler",
    "happened.quirks": "Stationen mit Eigenheiten",
    "happened.complaints": "Meldungen der Stationen",
    "caption.site": "Sonne {sun}, Gebäude {building}, Autos {cars}, davon {used} vom Dach{share}."
    " Höchster Bezug {highest} von {allowed} erlaubten.",
    "caption.share": ", {share} dessen, was übrig war",
    "column.policy": "Regel",
    "column.pv_to_cars_utilisation": "Sonne\nAutos,\n%",
    "column.pv_utilisation": "Sonne\ngesamt\n%",
    "column.energy_cost": "Kosten,\n{currency}",
    "column.co2_g": "CO2\nin kg",
    "column.peak_import_w": "Spitze\nkW",
    "column.energy_to_cars_wh": "Autos,\nkWh",
    "column.bookings_missed": "fehlte",
    "table.title.one": "{name}, {count} Tag, Startwert {seed}",
    "table.title.many": "{name}, {count} Tage, Startwert {seed}",
    "table.sunmoov": "Sunmoov' hat {mean} im Mittel und {summer} an langen Sommertagen"
    " veröffentlicht.",
    "heading.policies": "Die Regeln, an denselben Tagen und mit denselben Buchungen",
    "heading.cars": "Autos, Buchungen und Laden",
    "caption.cars": "Jede Zeile ist ein Auto. Die Farbe dessen, was es lädt, sagt, woher das meiste"
    " davon kam.",
    "heading.happened": "Was sonst geschah",
    "note": "Die Stunden sind Ortszeit ({zone}). Alles hier ist aus dem berechnet, was in der"
    " simulierten Welt geschah; die Datei report.json enthält die Zahlen.",
    "heading.why": "Ein Plan, und warum er so war",
    "note.why": "Was jedes Auto am {day} um {hour} tat, und die Gründe, die der Dienst dafür"
    " nannte; Zeiten darin sind UTC.",
    "why.charging": "lädt",
    "why.giving": "gibt",
    "why.waiting": "wartet",
    "why.parked": "steht",
    "why.away": "unterwegs",
    "why.no_car": "kein Auto",
    "picture.site": "{name}: Sonne, Gebäude und Autos",
    "picture.sun": "Sonne, wirklich",
    "picture.forecast": "Sonne, höchstens eine Stunde vorher vorhergesagt",
    "picture.building": "Gebäude",
    "picture.left": "Sonne ohne Gebäude",
    "picture.cars": "Autos, wirklich",
    "picture.planned": "Autos, geplant",
    "picture.sky_kw": "Sonne und Gebäude, kW",
    "picture.cars_kw": "Autos, kW",
    "picture.limit": "Netzgrenze, {limit}",
    "picture.limit_far": "Netzgrenze {limit}, weit darüber",
    "picture.timeline": "Autos: Buchungen, Fahrten und Laden über der Sonne",
    "picture.all_sun": "Sonne aller Standorte, kW (blasse Fläche)",
    "picture.booked": "gebucht",
    "picture.trip": "unterwegs",
    "picture.by_sun": "lädt, meist Sonne",
    "picture.by_grid": "lädt, meist Netz",
    "picture.policies": "Die Regeln an denselben Tagen",
    "picture.share": "Anteil der übrigen Sonne,\nder in Autos ging, %",
    "picture.cost": "Energiekosten der Autos,\n{currency}",
    "picture.peak": "höchster Bezug\neines Standorts, kW",
    "picture.yardstick": "gestrichelt: Sunmoov' 2013 bis 2015,\n{mean} im Mittel, {summer} an"
    " langen Sommertagen",
    "picture.day": "%d.%m.",
}
"""By code: the sentence, or the words, with its numbers."""
