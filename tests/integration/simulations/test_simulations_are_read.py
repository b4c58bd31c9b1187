"""What a simulation came to, over REST: a page in the reader's language, and a table."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

import pytest
import sqlalchemy as sa

from csms.readable.comparisons.page import comparison_page
from models.tables.simulations import Simulation
from tests.builders.comparisons import renovated
from tests.builders.renovating import CHANGES
from tests.builders.rest_house import RestHouse, rest_house

WISH: dict[str, Any] = {"scenario": "ydeal", "changes": CHANGES}


async def done(house: RestHouse, figures: dict[str, Any] | None = None) -> str:
    """Leaves a simulation behind as the simulator does when its process has ended well."""
    asked = await house.post("/simulations", WISH, 202)
    told = renovated() if figures is None else figures
    page = comparison_page(renovated())
    values = {"state": "done", "figures": told, "headline": told["headline"], "report": page}
    async with house.db.write(house.clock, house.services.ids) as work:
        query = sa.update(Simulation).where(Simulation.id == asked["id"]).values(**values)
        await work.session.execute(query)
    return asked["id"]


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))


async def test_a_councillor_of_lyon_reads_french(database_url: str) -> None:
    async with rest_house(database_url) as house:
        where = f"/api/v1/simulations/{await done(house)}/report"
        spoken = {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}
        page = await house.http.get(where, headers=spoken)
        german = await house.http.get(where, params={"language": "de"}, headers=spoken)
        english = await house.http.get(where)
        wrong = await house.http.get(where, params={"language": "it"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (page.headers["content-language"], page.headers["vary"]) == ("fr", "Accept-Language")
    text = text_of(page.text)
    for words in (
        "Combien cela coûte-t-il, ou fait-il gagner\u202f?",
        "Quelle part du soleil des toits va dans les voitures\u202f?",
        "Quelqu'un reste-t-il sans voiture\u202f?",
        "Place Nautique\u00a0: une batterie de 5\u00a0kWh et 2\u00a0kW.",
        "2,25\u00a0€",
        "\u22120,60\u00a0€",
        "28\u00a0%",
        "16 juin 2026",
    ):
        assert words in text, words
    assert '<html lang="fr">' in page.text
    assert "today" not in text
    assert (german.headers["content-language"], "Was kostet oder spart es?" in german.text) == (
        "de",
        True,
    )
    assert (english.headers["content-language"], english.text) == (
        "en",
        comparison_page(renovated()),
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "/language")


async def test_what_an_older_version_has_played_is_still_read_in_english(sqlite_url: str) -> None:
    async with rest_house(sqlite_url) as house:
        older = {name: each for name, each in renovated().items() if name != "told"}
        where = f"/api/v1/simulations/{await done(house, older)}/report"
        page = await house.http.get(where, headers={"Accept-Language": "fr"})
    assert (page.status_code, page.headers["content-language"]) == (200, "en")
    assert "What does it cost, or save?" in page.text


async def test_figures_are_downloaded_beside_those_of_today(database_url: str) -> None:
    async with rest_house(database_url) as house:
        name = await done(house)
        answer = await house.http.get(f"/api/v1/simulations/{name}/figures.csv")
        figures = (await house.get(f"/simulations/{name}"))["figures"]
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].endswith(f'"simulation-{name}.csv"')
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    whole = {row["figure"]: row for row in rows if not row["site_id"]}
    assert list(whole) == list(figures["today"]["figures"])
    for side in ("today", "changed", "difference"):
        read = {name: float(row[side]) for name, row in whole.items() if row[side]}
        assert read == pytest.approx(figures[side]["figures"])
    (site,) = figures["today"]["sites"]
    bought = next(row for row in rows if (row["site_id"], row["figure"]) == (site, "bought_kwh"))
    assert (bought["today"], bought["changed"], bought["difference"]) == ("19.0", "16.0", "-3.0")


async def test_who_has_no_figures_yet_says_so(sqlite_url: str) -> None:
    async with rest_house(sqlite_url) as house:
        asked = await house.post("/simulations", WISH, 202)
        for last in ("report", "report?language=fr", "figures.csv"):
            told = await house.get(f"/simulations/{asked['id']}/{last}", 409)
            assert told["code"] == "simulation-not-done"
        async with house.client(None) as nobody:
            table = await nobody.get(f"/api/v1/simulations/{asked['id']}/figures.csv")
    assert table.status_code == 401
