"""Reasons in French."""

from __future__ import annotations

from collections.abc import Mapping

SENTENCES: Mapping[str, str] = {
    "DEADLINE": "{booking}, le {pickup_at}, demande {need_wh} dans la batterie ; sans ce créneau"
    " elle n'aurait que {without_wh} ({without_pct}).",
    "SUN": "Le toit a {surplus_w} de trop ; du réseau, l'énergie coûte {import_price_per_kwh}.",
    "PAID": "Prendre l'énergie du réseau rapporte : elle coûte {price_per_kwh}.",
    "PRICE": "L'énergie coûte {price_per_kwh} maintenant, {mean_price_per_kwh} en moyenne et"
    " jusqu'à {dearest_price_per_kwh} tant que la voiture est ici.",
    "BATTERY": "Des batteries donnent ici {given_w} ; du réseau, l'énergie coûte"
    " {import_price_per_kwh}.",
    "LIMIT.site": "La limite du site {limit}, {limit_w}, retient la puissance : tout le reste prend"
    " {others_w}.",
    "LIMIT.circuit": "La limite du circuit {limit}, {limit_w}, retient la puissance : les autres"
    " points de charge prennent {others_w}.",
    "LIMIT.booking": "Une limite du circuit ou du site laisse trop peu d'énergie. Voitures"
    " libres : {free} sur {cars} ; la mieux chargée ({next}) a {next_wh}.",
    "PEAK": "Plus de puissance dépasserait la pointe de {peak_w} du réseau, qui coûte"
    " {price_per_kw}.",
    "MINIMUM": "Le point de charge ne peut pas donner moins que {min_power_w}.",
    "KEEP": "Gardée jusqu'à la fin, l'énergie vaut {worth_per_kwh} ; maintenant elle coûte"
    " {price_per_kwh}.",
    "TRADE": "La voiture rend {given_wh}, jusqu'à {best_price_per_kwh} ; maintenant l'énergie coûte"
    " {price_per_kwh}.",
    "OVERRIDE": "Quelqu'un l'a demandé ainsi jusqu'au {until_at}.",
    "GIVE": "La voiture donne {given_w} : l'énergie coûte {price_per_kwh} maintenant, plus qu'elle"
    " ne vaudra dans la voiture.",
    "READY": "La voiture a {soc_wh} au départ et il lui faut {need_wh} : il reste {spare_wh}.",
    "FIXED_VEHICLE": "La réservation est pour {vehicle} seulement.",
    "ONLY": "Aucune autre voiture de sa classe n'est libre en ce lieu à cette heure ({cars} en"
    " tout).",
    "LACK": "Autres voitures libres : {free}, mais la mieux chargée ({next}) n'a alors que"
    " {next_wh} : il manque {lacks_wh}.",
    "CHOICE": "Autres voitures libres : {free}, dont {ready} pour ce trajet aussi ; avec"
    " celle-ci, tous les trajets ensemble coûtent le moins.",
    "NO_VEHICLE": "Aucune voiture de classe {classes} n'est libre en ce lieu à cette heure"
    " ({cars} en tout).",
    "NOT_ENOUGH_ENERGY": "Voitures libres alors : {free} sur {cars}, mais aucune ne peut être assez"
    " chargée pour ce trajet et pour la suite.",
    "NO_EVSE": "Aucun point de charge n'est libre pour charger la voiture.",
    "BEYOND_CAPACITY": "Il faut {need_wh} ; la plus grande batterie contient {largest_wh}.",
    "TRIP": "En route avec {booking} jusqu'au {back_at}.",
    "NOT_YET": "Pas ici avant le {from_at}.",
    "FULL": "La batterie a {soc_wh}, tout ce qu'elle peut avoir.",
    "CLOSED": "Le point de charge est hors service.",
    "SUN_LATER": "Le soleil la charge à partir du {then_at}, avec {then_w}.",
    "CHEAPER_LATER": "L'énergie coûte {price_per_kwh} maintenant et {then_price_per_kwh} à partir"
    " du {then_at}, quand elle charge.",
    "LATER": "Elle charge à partir du {then_at}, à temps pour tous ses trajets.",
    "ENOUGH": "Elle a {soc_wh} ; aucun trajet ne demande plus, et charger coûte plus que cela ne"
    " vaut.",
    "ENOUGH_FOR": "Elle a {soc_wh} ; {booking}, le {pickup_at}, demande {need_wh}.",
    "READY.promise": "{vehicle} peut avoir {soc_pct} au départ, {slack_wh} de plus qu'il n'en"
    " faut pour ce trajet et les suivants.",
    "READY.planned": "{vehicle} devrait avoir {soc_pct} au départ, {slack_wh} de plus que n'en"
    " prend le trajet.",
    "BOUND.energy": "Elle est prête avec une probabilité de {probability_pct} ; ce qui s'y oppose"
    " le plus, c'est le manque d'énergie.",
    "BOUND.return": "Elle est prête avec une probabilité de {probability_pct} ; ce qui s'y oppose"
    " le plus, c'est que le trajet d'avant peut finir en retard.",
    "NO_VEHICLE.at_risk": "En danger : le plan ne trouve aucune voiture de sa classe libre en ce"
    " lieu à cette heure.",
    "NOT_ENOUGH_ENERGY.at_risk": "En danger : des voitures sont là, mais aucune ne peut être assez"
    " chargée pour ce trajet et pour la suite.",
    "LIMIT.at_risk": "En danger : une limite du circuit ou du site lui laisse trop peu d'énergie.",
    "NO_EVSE.at_risk": "En danger : aucun point de charge n'est libre pour charger une voiture.",
    "FIXED_VEHICLE.at_risk": "En danger : elle est pour une seule voiture, qui ne peut pas la"
    " servir.",
    "BEYOND_CAPACITY.at_risk": "En danger : il faut plus que ce que contient la plus grande"
    " batterie.",
    "PAUSE": "Minutes libres entre ses trajets : {pause_minutes}.",
    "CHOICE.promise": "Autres voitures possibles, moins sûres ou moins bien employées : {others}.",
    "SUN.promise": "{solar_pct} de ce qu'elle charge pour le trajet vient du toit.",
    "PROMISED": "Le prochain trajet de la voiture commence le {next_at}.",
    "PAST": "Le trajet commencerait dans le passé.",
    "HORIZON": "On réserve au plus tôt {days} jours à l'avance.",
    "CLASS": "Voitures d'une autre classe : {cars}.",
    "CLASS.none": "Il n'y a aucune voiture.",
    "PLACE": "Voitures jamais au lieu de départ avec accès au lieu d'arrivée : {cars}.",
    "TIME": "Voitures pas libres à cette heure (en route, au repos ou attendues ailleurs) :"
    " {cars}.",
    "ENERGY_BEFORE": "Voitures libres, mais pas assez chargées au départ : {cars}.",
    "ENERGY_AFTER": "Voitures libres et chargées, mais trop vides ensuite pour leur prochain"
    " trajet : {cars}.",
    "SPACE": "Aucun point de charge de {site} n'est libre pour la voiture à partir de là.",
    "TURN": "{for_vehicle} doit prendre {charged_wh} à {evse} ; un déplacement coûte {move_price}.",
    "TURN.trip": "{for_vehicle} doit prendre {charged_wh} à {evse} : {booking} à {pickup_at}"
    " demande {need_wh}, il y aura {holds_wh} ; un déplacement coûte {move_price}.",
    "TURN.free": "Un point de charge libre doit servir ; un déplacement coûte {move_price}.",
    "ROOM": "Elle fait place à {for_vehicle}, qui doit prendre {charged_wh} à {evse} ; un"
    " déplacement coûte {move_price}.",
    "ROOM.trip": "Elle fait place à {for_vehicle}, qui doit prendre {charged_wh} à {evse} :"
    " {booking} à {pickup_at} demande {need_wh} ; un déplacement coûte {move_price}.",
    "ROOM.free": "Son point de charge doit être libre ; un déplacement coûte {move_price}.",
    "FAST": "Elle passe au point de charge rapide {evse} jusqu'à {leaves_at}, où elle doit"
    " prendre {charged_wh} ; un déplacement coûte {move_price}.",
    "FAST.trip": "Elle passe au point de charge rapide {evse} jusqu'à {leaves_at}, où elle doit"
    " prendre {charged_wh} : {booking} à {pickup_at} demande {need_wh}, il y aura {holds_wh} ; un"
    " déplacement coûte {move_price}.",
    "FAST.stays": "Elle va au point de charge rapide {evse}, où elle reste et doit prendre"
    " {charged_wh} ; un déplacement coûte {move_price}.",
    "FAST.free": "Un point de charge rapide doit servir ; un déplacement coûte {move_price}.",
    "BACK": "Elle quitte le point de charge rapide {evse}, où {for_vehicle} arrive à {comes_at} ;"
    " un déplacement coûte {move_price}.",
    "BACK.free": "Elle quitte le point de charge rapide {evse}, qui doit être libre ; un"
    " déplacement coûte {move_price}.",
    "MOVED": "Le personnel la déplace jusqu'à {until_at}.",
    "heading.charging": "Recharge",
    "heading.bookings": "Réservations",
    "heading.unserved": "Réservations sans voiture",
    "heading.vehicles": "Ce que font les voitures le {at}",
    "heading.moves": "Déplacements par le personnel",
    "heading.way": "De, à",
    "heading.time": "Heure",
    "heading.vehicle": "Voiture",
    "heading.power": "Puissance",
    "heading.why": "Pourquoi",
    "heading.booking": "Réservation",
    "heading.state": "État",
    "heading.state.charging": "charge",
    "heading.state.giving": "donne",
    "heading.state.waiting": "attend",
    "heading.state.parked": "garée",
    "heading.state.away": "absente",
}
"""By code: the sentence with its numbers; and the headings of tables."""
