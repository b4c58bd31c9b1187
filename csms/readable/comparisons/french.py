"""A comparison in French."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    # What is different. The name of a place comes first: nobody knows how to decline it.
    "cars.one": "{site} : {count} voiture de plus ({model}).",
    "cars.many": "{site} : {count} voitures de plus ({model}).",
    "station_added": "{site} : une borne de recharge de plus, {station}.",
    "station_lost": "La borne de recharge {station} est supprimée.",
    "pv_removed": "{site} : l'installation solaire est démontée.",
    "pv_factor": "{site} : la puissance de l'installation solaire est multipliée par {factor}.",
    "pv_added": "{site} : {power_w} de panneaux solaires de plus.",
    "heat_loss": "{site} : le bâtiment perd {share} de la chaleur qu'il perd aujourd'hui.",
    "hot_water": "{site} : l'eau chaude demande {share} de la chaleur d'aujourd'hui.",
    "load": "{site} : l'éclairage et les appareils prennent {share} de l'électricité"
    " d'aujourd'hui.",
    "heat_pump": "{site} : une pompe à chaleur chauffe le bâtiment, avec de l'eau à {flow_c}.",
    "heat_unknown": "{site} : on ne connaît que le besoin de chaleur à venir, pas celui"
    " d'aujourd'hui.",
    "battery": "{site} : une batterie de {capacity_wh} et {power_w}.",
    "staff": "{site} : le personnel déplace des voitures, pour {price} à chaque fois.",
    "tariff": "L'électricité a d'autres prix selon l'heure, de {low_price} à {high_per_kwh}.",
    "tariff_factor": "Le prix de l'électricité est multiplié par {factor}.",
    "export_price": "L'énergie solaire vendue rapporte {price_per_kwh}.",
    "weather": "Le temps qu'il fait : {weather}.",
    "weather.clear": "ciel dégagé",
    "weather.fair": "beau",
    "weather.mixed": "variable",
    "weather.overcast": "couvert",
    "planner": "Les voitures se chargent {planner}.",
    "planner.plan": "selon le plan",
    "planner.uncontrolled": "tout de suite et à pleine puissance",
    "planner.surplus": "avec le surplus du soleil",
    "planner.perfect_foresight": "selon le plan de quelqu'un qui connaîtrait le temps à venir",
    # What to know before believing it.
    "same.drawn": "Les deux calculs ont les mêmes personnes avec les mêmes souhaits, le même ciel"
    " (sauf si les changements en disent un autre) et le même hasard (tirage n° {seed}).",
    "same.measured": "Les deux calculs ont les mêmes personnes avec les mêmes souhaits, le ciel"
    " mesuré (sauf si les changements en disent un autre) et le même hasard (tirage n° {seed}).",
    "real": "Dans les deux, c'est le vrai service qui planifie et commande ; seule la ville autour"
    " est simulée.",
    "stored": "Ce qui reste dans les voitures et les batteries à la fin, moins ce qui y était au"
    " début, compte pour {stored_per_kwh}.",
    "energy_only": "Seuls l'énergie et les déplacements de voitures sont comptés : ni ce que"
    " coûtent les changements, ni ce qu'ils économisent ailleurs.",
    "battery_alone": "La batterie travaille seule : elle stocke le soleil que ni le bâtiment ni"
    " les voitures ne prennent, et le rend avant qu'on achète de l'électricité. Elle est vide au"
    " début ; le plan ne la connaît pas : une batterie qui suit le plan pourrait rapporter plus.",
    "battery_planned": "La batterie suit le plan : elle stocke le soleil que ni le bâtiment ni les"
    " voitures ne prennent, et l'électricité bon marché, et les rend quand l'électricité est chère."
    " Elle est vide au début.",
    "heat": "La chaleur est calculée d'après l'écart entre dedans et dehors, avec l'air moyen du"
    " mois et une variation sur la journée ; rien ne la stocke. La pompe à chaleur est un modèle"
    " moyen du marché.",
    "sky_drawn": "Le ciel du calcul avec changements est tiré au hasard ; celui d'aujourd'hui a été"
    " mesuré.",
    "sky_scaled": "Un même toit agrandi donne d'autant plus que ce qui a été mesuré ; un toit"
    " voisin donne ce qu'il donnerait sous un ciel dégagé, multiplié par la clarté mesurée là, ou"
    " sinon ailleurs.",
    "few_days": "Si peu de jours disent peu d'une année : calculez au moins une semaine de chaque"
    " saison.",
    # What a scenario from history has of the rows, and what it has not.
    "past.equipment": "Les équipements tels qu'ils sont enregistrés maintenant. Sites : {sites} ;"
    " bornes : {stations}, points de charge : {evses} ; voitures : {vehicles}.",
    "past.bookings": "Réservations : {bookings}, de {drivers} personnes, demandées quand elles"
    " l'ont été ; annulées : {bookings_cancelled}, jamais prises : {bookings_not_fetched}.",
    "past.trips": "Trajets avec leurs heures de départ et de retour : {trips} ; dont l'énergie"
    " prise est connue : {trips_with_energy}, et l'heure du branchement ensuite :"
    " {trips_with_plug_in}.",
    "past.measured": "Quarts d'heure d'un site, tels que mesurés : {sun_steps} de soleil et"
    " {load_steps} de consommation des bâtiments.",
    "past.prices": "Quarts d'heure d'un site avec leurs prix enregistrés : {price_steps}.",
    "past.again.one": "« Aujourd'hui », c'est ce jour rejoué par le service tel qu'il est"
    " maintenant, et non ce que disaient les factures : une réservation peut y avoir une autre"
    " voiture qu'à l'époque.",
    "past.again.many": "« Aujourd'hui », ce sont ces {count} jours rejoués par le service tel qu'il"
    " est maintenant, et non ce que disaient les factures : une réservation peut y avoir une autre"
    " voiture qu'à l'époque.",
    "past.refused": "Qui a essuyé un refus alors n'a pas laissé de réservation, et ne demande rien"
    " ici.",
    "past.soc_told": "Les voitures sont à leur place au début, aussi chargées qu'elles l'étaient"
    " en moyenne à leurs premiers trajets.",
    "past.soc_unknown": "Les voitures sont à leur place au début, chargées à 80 % : personne n'a"
    " indiqué leur niveau de charge.",
    "past.bookings_under_way": "Réservations commencées avant, laissées de côté : {count}.",
    "past.bookings_asked_before": "Réservations faites avant ces jours, demandées dans la première"
    " demi-heure : {count}.",
    "past.bookings_called_off_at_once": "Réservations annulées avant d'avoir pu être demandées ici,"
    " laissées de côté : {count}.",
    "past.sun_steps_filled": "Quarts d'heure de soleil non mesurés : {count} ; ils ont la clarté de"
    " leurs voisins.",
    "past.load_steps_filled": "Quarts d'heure de consommation non mesurés : {count} ; jusqu'à une"
    " heure une ligne droite les remplit, au-delà la moyenne de la même heure des autres jours.",
    "past.sites_without_load": "Sites où aucune consommation de bâtiment n'a été mesurée : {count}"
    " ; il n'y en a pas.",
    "past.price_steps_assumed": "Quarts d'heure d'un site sans prix enregistré, ou dont le prix est"
    " mis en doute : {count} ; ils ont ceux que supposent les plans, 0,20 à"
    " l'achat et 0,06 à la vente.",
    "past.names_changed": "Sites ou bornes qui ont ici un autre nom, car un fichier permet moins de"
    " signes : {count}.",
    "past.trips_without_energy": "Trajets qui ont pris ce que demande leur distance en moyenne :"
    " {count}.",
    "past.trips_without_plug_in": "Trajets après lesquels la voiture est branchée aussitôt :"
    " {count}.",
    "past.odd": "Pas joué comme enregistré, {what} : {count}.",
    "odd.stations_without_evse": "bornes sans point de charge",
    "odd.stations_with_unlike_evses": "bornes aux points de charge différents",
    "odd.stations_of_unknown_version": "bornes dont la version d'OCPP est inconnue",
    "odd.stations_without_safe_limit": "bornes sans limite sûre",
    "odd.batteries_of_one_way": "batteries qui ne peuvent pas charger et rendre",
    "odd.batteries_emptied": "batteries, vides au début",
    "odd.phase_limits": "limites par phase",
    "odd.loads_with_store": "consommations avec stockage",
    "odd.peak_or_co2_prices": "sites où la pointe ou le CO2 a un prix",
    # The answers at the top, and the sentence over them.
    "headline.one": "{title} : en {count} jour, {cost}, {carbon}, et {bookings}.",
    "headline.many": "{title} : en {count} jours, {cost}, {carbon}, et {bookings}.",
    "untitled": "Avec ces changements",
    "cost.same": "l'énergie coûte autant",
    "cost.less": "l'énergie coûte {change} de moins{share}",
    "cost.more": "l'énergie coûte {change} de plus{share}",
    "carbon.same": "autant de CO2 est émis",
    "carbon.less": "{change} de CO2 de moins sont émis{share}",
    "carbon.more": "{change} de CO2 de plus sont émis{share}",
    "share": " ({share})",
    "served.same": "autant de réservations sont honorées ({today})",
    "served.more.one": "{count} réservation de plus est honorée",
    "served.more.many": "{count} réservations de plus sont honorées",
    "served.fewer.one": "{count} réservation de moins est honorée",
    "served.fewer.many": "{count} réservations de moins sont honorées",
    "missed.none": "{served}, sans aucune promesse manquée",
    "missed.some.one": "{served}, avec {count} promesse manquée",
    "missed.some.many": "{served}, avec {count} promesses manquées",
    "asks.cost": "Combien cela coûte-t-il, ou fait-il gagner ?",
    "asks.sun": "Quelle part du soleil des toits va dans les voitures ?",
    "asks.cars": "Quelqu'un reste-t-il sans voiture ?",
    "asks.carbon": "Et le CO2 ?",
    "answer.cost": "L'énergie coûte {other} au lieu de {today}. Le prix des travaux et des"
    " équipements n'y est pas.",
    "answer.carbon": "{other} au lieu de {today}, par l'électricité achetée et le combustible"
    " brûlé.",
    "answer.sun": "{into} du soleil des toits va droit dans les voitures (aujourd'hui"
    " {into_today}) : c'est {of_cars} de ce qu'elles chargent (aujourd'hui {of_cars_today})."
    " Bâtiments, voitures et batteries ensemble utilisent {used} du soleil sur place (aujourd'hui"
    " {used_today}).",
    "answer.cars.none.one": "Toutes les voitures promises étaient là : {count} réservation honorée"
    " (aujourd'hui {served_today}).",
    "answer.cars.none.many": "Toutes les voitures promises étaient là : {count} réservations"
    " honorées (aujourd'hui {served_today}).",
    "answer.cars.missed": "Voitures promises qui n'étaient pas là : {missed} (aujourd'hui"
    " {missed_today}) ; réservations honorées : {served} (aujourd'hui {served_today}).",
    "answer.cars.refused": "Demandes qui n'ont pas pu être satisfaites : {refused} sur {wishes}"
    " (aujourd'hui {refused_today}).",
    "answer.cars.all_met.one": "La seule demande n'a pas été refusée (aujourd'hui"
    " {refused_today}).",
    "answer.cars.all_met.many": "Aucune des {count} demandes n'a été refusée (aujourd'hui"
    " {refused_today}).",
    "answer.no_wishes": "Personne n'a demandé de voiture ces jours-là.",
    "answer.no_sun": "Les toits ne donnent pas de soleil ces jours-là.",
    "nobody": "Personne",
    "no_sun": "pas de soleil",
    "points": "points",
    # The page.
    "title.one": "{name}, {count} jour à partir du {day} : et si…",
    "title.many": "{name}, {count} jours à partir du {day} : et si…",
    "heading.changes": "Ce qui change",
    "heading.table": "Ce que cela donne",
    "heading.today": "aujourd'hui",
    "heading.changed": "avec changements",
    "heading.difference": "différence",
    "heading.taken": "Ce qui vient des jours passés",
    "heading.assumptions": "Ce qu'il faut savoir avant d'y croire",
    "note": "Les jours suivent l'heure locale ({zone}). Le fichier comparison.json contient tous"
    " les chiffres, aussi lieu par lieu.",
    "bars": "D'où vient l'énergie, et où va le soleil des toits.",
    "bar.energy.today": "énergie, aujourd'hui",
    "bar.energy.changed": "énergie, avec changements",
    "bar.sun.today": "soleil, aujourd'hui",
    "bar.sun.changed": "soleil, avec changements",
    "piece.used_at_once": "soleil utilisé aussitôt",
    "piece.from_batteries_kwh": "rendu par la batterie",
    "piece.bought_kwh": "électricité achetée",
    "piece.fuel_kwh": "combustible acheté",
    "piece.sun_to_buildings_kwh": "soleil pour le bâtiment",
    "piece.sun_to_cars_kwh": "soleil pour les voitures",
    "piece.sun_to_batteries_kwh": "soleil pour la batterie",
    "piece.sold_kwh": "soleil vendu",
    "row.cost": "Énergie, en tout",
    "row.cost.meaning": "achetée, moins vendue, moins ce qui reste stocké",
    "row.bought_kwh": "Électricité achetée",
    "row.bought_cost": "Payé pour l'électricité",
    "row.fuel_kwh": "Combustible de chauffage acheté",
    "row.fuel_cost": "Payé pour le combustible",
    "row.sold_kwh": "Énergie solaire vendue",
    "row.sold_revenue": "Gagné avec le soleil",
    "row.stored_value": "Valeur de ce qui reste stocké",
    "row.stored_value.meaning": "dans les voitures et les batteries",
    "row.co2_kg": "Émissions de CO2",
    "row.co2_kg.meaning": "de l'électricité achetée et du combustible brûlé",
    "row.peak_import_kw": "Plus forte puissance tirée du réseau",
    "row.peak_import_kw.meaning": "d'un même lieu",
    "row.sun_used_share": "Part du soleil utilisée sur place",
    "row.sun_to_buildings_kwh": "Soleil pour les bâtiments",
    "row.sun_to_cars_kwh": "Soleil pour les voitures",
    "row.sun_to_cars_kwh.meaning": "aussitôt, sans passer par une batterie",
    "row.sun_to_batteries_kwh": "Soleil pour la batterie",
    "row.heat_pump_kwh": "Électricité de la pompe à chaleur",
    "row.cars_kwh": "Électricité des voitures",
    "row.cars_moved": "Voitures déplacées par le personnel",
    "row.moves_cost": "Payé pour déplacer des voitures",
    "row.bookings_served": "Réservations honorées",
    "row.wishes_refused": "Demandes de voiture refusées",
    "row.bookings_missed": "Voitures promises qui n'étaient pas là",
}
"""By code: the sentence, or the words, with its numbers."""
