"""A report in French."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "policy.plan": "plan joué",
    "policy.uncontrolled": "sans pilotage",
    "policy.surplus": "suit le surplus",
    "policy.perfect_foresight": "avenir connu",
    "policy.pv_maximum": "soleil maximal",
    "policy.plan.meaning": "réservations et recharge planifiées ensemble, d'après les prévisions ;"
    " ce qui a été joué",
    "policy.uncontrolled.meaning": "chaque voiture charge à pleine puissance dès qu'elle est"
    " branchée",
    "policy.surplus.meaning": "chaque site laisse à ses voitures ce que le toit vient d'avoir de"
    " trop, d'après les compteurs",
    "policy.perfect_foresight.meaning": "le moindre coût, en sachant d'avance tous les trajets et"
    " tous les nuages : une limite théorique",
    "policy.pv_maximum.meaning": "le plus de soleil dans les voitures, en sachant tout d'avance :"
    " une limite théorique",
    "policy.other": "tel que joué ({policy})",
    "policy.other.meaning": "ce qui a été joué, avec cette règle",
    "title.one": "{name}, {count} jour à partir du {day}",
    "title.many": "{name}, {count} jours à partir du {day}",
    "headline": "{share} du soleil laissé par les bâtiments est allé dans les voitures.",
    "headline.no_sun": "Il ne restait pas de soleil pour les voitures.",
    "no_share": "aucune part",
    "story.sunmoov": "Sunmoov', le service d'autopartage à recharge solaire de Lyon Confluence de"
    " 2013 à 2015, a publié {mean} en moyenne et {summer} lors des longues journées d'été. Il a"
    " mesuré des années ; ici, ce sont des jours simulés : un repère, pas une course. Avec les"
    " mêmes jours et réservations, des voitures qui chargent dès qu'elles sont branchées prennent"
    " {uncontrolled}, en suivant le surplus mesuré {surplus}, et personne, même en sachant tout"
    " d'avance, ne pourrait prendre plus que {pv_maximum}.",
    "story.bookings": "Réservations terminées : {over}, dont honorées : {served}, manquées :"
    " {missed}. Demandes : {requested}, dont acceptées : {accepted} (pas encore terminées :"
    " {open}, annulées : {cancelled}), refusées : {refused}.",
    "story.cost": "L'énergie des voitures a coûté {cost}, {change} que sans pilotage ({free_cost})."
    " Aucun site n'a tiré plus de {peak} du réseau ; sans pilotage, c'est {free_peak}.",
    "change.none": "pas moins",
    "change.less": "{share} de moins",
    "change.more": "{share} de plus",
    "tile.sun": "du soleil restant est allé dans les voitures",
    "tile.bookings": "réservations honorées",
    "tile.cost": "coût de l'énergie des voitures",
    "tile.peak": "plus forte puissance tirée par un site",
    "happened.messages": "Messages OCPP",
    "happened.messages.said": "{count} en {version}",
    "happened.limits": "Limites envoyées aux bornes",
    "happened.limits.said": "envoyées par le service : {sent} ; acceptées par les bornes :"
    " {accepted}, refusées : {rejected}, non respectées : {disobeyed}, dont remarquées par le"
    " service : {disobeyed_noticed}",
    "happened.circuits": "Circuits électriques",
    "happened.circuits.said": "plus forte charge {share} de la limite ; minutes au-dessus : {over},"
    " dont plus longtemps qu'une borne ne met à réagir : {beyond}",
    "happened.forecast": "Prévision du soleil",
    "happened.forecast.less": "sur six heures, elle se trompe {share} de moins qu'un ciel qui"
    " resterait aussi clair que dans la dernière heure",
    "happened.forecast.more": "sur six heures, elle se trompe {share} de plus qu'un ciel qui"
    " resterait aussi clair que dans la dernière heure",
    "happened.faults": "Pannes voulues",
    "happened.quirks": "Bornes avec des manies",
    "happened.complaints": "Plaintes des bornes",
    "caption.site": "Soleil {sun}, bâtiment {building}, voitures {cars}, dont {used} venant du"
    " toit{share}. Plus forte puissance tirée du réseau {highest}, sur {allowed} permis.",
    "caption.share": ", soit {share} de ce qui restait",
    "column.policy": "règle",
    "column.pv_to_cars_utilisation": "soleil\nautos,\n%",
    "column.pv_utilisation": "soleil\nutile,\n%",
    "column.energy_cost": "coût,\n{currency}",
    "column.co2_g": "CO2\némis,\nkg",
    "column.peak_import_w": "pic,\nkW",
    "column.energy_to_cars_wh": "autos,\nkWh",
    "column.bookings_missed": "ratées",
    "table.title.one": "{name}, {count} jour, tirage n° {seed}",
    "table.title.many": "{name}, {count} jours, tirage n° {seed}",
    "table.sunmoov": "Sunmoov' a publié {mean} en moyenne et {summer} lors des longues journées"
    " d'été.",
    "heading.policies": "Les règles, avec les mêmes jours et réservations",
    "heading.cars": "Voitures, réservations et recharge",
    "caption.cars": "Chaque ligne est une voiture. La couleur de ce qu'elle charge dit d'où en"
    " vient la plus grande part.",
    "heading.happened": "Ce qui s'est passé d'autre",
    "note": "Les heures sont locales ({zone}). Tout est calculé d'après ce qui s'est passé dans le"
    " monde simulé ; le fichier report.json contient les chiffres.",
    "heading.why": "Un plan, et ses raisons",
    "note.why": "Ce que faisait chaque voiture le {day} à {hour}, et les raisons que le service en"
    " a données ; les heures y sont en UTC.",
    "why.charging": "charge",
    "why.giving": "donne",
    "why.waiting": "attend",
    "why.parked": "garée",
    "why.away": "absente",
    "why.no_car": "pas de voiture",
    "picture.site": "{name} : soleil, bâtiment et voitures",
    "picture.sun": "soleil, réel",
    "picture.forecast": "soleil, prévu au plus une heure avant",
    "picture.building": "bâtiment",
    "picture.left": "soleil moins bâtiment",
    "picture.cars": "voitures, réel",
    "picture.planned": "voitures, prévu par le plan",
    "picture.sky_kw": "soleil et bâtiment, kW",
    "picture.cars_kw": "voitures, kW",
    "picture.limit": "limite du réseau, {limit}",
    "picture.limit_far": "limite du réseau {limit}, bien au-dessus",
    "picture.timeline": "Voitures : réservations, trajets et recharge sur fond de soleil",
    "picture.all_sun": "soleil de tous les sites, kW (surface pâle)",
    "picture.booked": "réservée",
    "picture.trip": "en route",
    "picture.by_sun": "charge, surtout du soleil",
    "picture.by_grid": "charge, surtout du réseau",
    "picture.policies": "Les règles, avec les mêmes jours",
    "picture.share": "part du soleil restant\nallée dans les voitures, %",
    "picture.cost": "coût de l'énergie des voitures,\n{currency}",
    "picture.peak": "plus forte puissance tirée\npar un site, kW",
    "picture.yardstick": "tirets : Sunmoov' 2013 à 2015,\n{mean} en moyenne, {summer} les longues"
    " journées d'été",
    "picture.day": "%d/%m",
}
"""By code: the sentence, or the words, with its numbers."""
