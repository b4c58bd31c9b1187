"""Bookings, quotes and moves tell their reasons in the caller's language, and say which it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import sqlalchemy as sa

from models.tables.booking import Booking
from models.timeline import format_rfc3339
from tests.builders.planners import a_planner
from tests.builders.rest_house import START, RestHouse, a_trip

FRENCH = {"Accept-Language": "fr-FR, en;q=0.5"}
ASKED = {"language": "de"}


def spoken(answer: httpx.Response) -> tuple[int, str, str]:
    headers = answer.headers
    return answer.status_code, headers["content-language"], headers["vary"]


def sentences(booking: dict[str, Any]) -> dict[str, str]:
    return {each["code"]: each["sentence"] for each in booking["explanation"]}


async def test_a_quote_says_its_language_and_takes_one_that_is_asked_for(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1")
    trip, path = a_trip(START + timedelta(hours=1)), "/api/v1/booking-quotes"
    heard = await house.http.post(path, json=trip, headers=FRENCH)
    asked = await house.http.post(path, json=trip, headers=FRENCH, params=ASKED)
    plain = await house.http.post(path, json=trip)
    assert [spoken(each) for each in (heard, asked, plain)] == [
        (200, language, "Accept-Language") for language in ("fr", "de", "en")
    ]
    assert sentences(heard.json())["READY"].startswith("car-1 peut avoir 98 % au départ, 10,4 kWh")
    assert sentences(asked.json())["READY"].startswith("car-1 kann am Start 98 % haben")
    assert heard.json()["reasons"] == plain.json()["reasons"], "for programs, as they were"
    refused = await house.http.post(path, json=trip, params={"language": "it"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "/language")


async def test_a_refusal_says_its_language_also_when_it_is_repeated(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1")
    trip = a_trip(START + timedelta(hours=1))
    made = await house.post("/bookings", trip)
    keyed = {**FRENCH, "Idempotency-Key": "k-1"}
    for _ in range(2):
        no = await house.http.post("/api/v1/bookings", json=trip, headers=keyed)
        assert spoken(no) == (409, "fr", "Accept-Language")
        assert sentences(no.json())["TIME"].startswith("Voitures pas libres à cette heure")
    await house.post("/bookings", a_trip(START + timedelta(hours=6)))
    longer = {"end": format_rfc3339(START + timedelta(hours=7))}
    no = await house.http.post(
        f"/api/v1/bookings/{made['id']}/extend", json=longer, params={"language": "fr"}
    )
    assert spoken(no) == (409, "fr", "Accept-Language")
    assert sentences(no.json()) == {
        "PROMISED": "Le prochain trajet de la voiture commence le 15/06 12:00 UTC."
    }


async def test_a_booking_is_told_in_any_language_as_promised_and_as_planned(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await house.fleet("car-1")
    trip = a_trip(START + timedelta(hours=3))
    answer = await house.http.post("/api/v1/bookings", json=trip, headers=FRENCH)
    assert spoken(answer) == (201, "fr", "Accept-Language")
    made = answer.json()
    assert sentences(made)["READY"].startswith("car-1 peut avoir ")
    where = f"/api/v1/bookings/{made['id']}"
    assert (await house.http.get(where, headers=FRENCH)).json() == made
    await a_planner(house).plan_now("test")
    planned = {
        language: (await house.http.get(where, params={"language": language})).json()
        for language in ("en", "fr", "de")
    }
    assert planned["en"]["reasons"][0].startswith("READY: car-1 is planned to hold ")
    said = {language: sentences(each)["READY"] for language, each in planned.items()}
    assert said["en"].startswith("car-1 is planned to hold ")
    assert said["fr"].startswith("car-1 devrait avoir ")
    assert said["de"].startswith("car-1 soll am Start ")
    numbers = planned["en"]["explanation"][0]["numbers"]
    assert f"{numbers['soc_pct']} %" in said["de"]
    listed = await house.http.get("/api/v1/bookings", params=ASKED)
    assert spoken(listed) == (200, "de", "Accept-Language")
    assert listed.json()["items"] == [planned["de"]]


async def test_what_stands_against_a_booking_is_said(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.fleet("car-1")
    made = await house.post("/bookings", a_trip(START + timedelta(hours=3)))
    async with house.db.write(house.clock, house.services.ids) as work:
        query = sa.update(Booking).where(Booking.id == made["id"])
        odds = {"bound_by": "return", "probability_ready": 0.99969}
        await work.session.execute(query.values(**odds))
    told = await house.get(f"/bookings/{made['id']}", language="fr")
    assert "avec une probabilité de 99,9 %" in sentences(told)["BOUND"], "never rounded up"
    assert "le trajet d'avant peut finir en retard" in sentences(told)["BOUND"]


async def test_reasons_that_an_older_version_has_stored_stay_readable(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1")
    made = await house.post("/bookings", a_trip(START + timedelta(hours=3)))
    async with house.db.write(house.clock, house.services.ids) as work:
        query = sa.update(Booking).where(Booking.id == made["id"])
        await work.session.execute(query.values(reasons=["NO_EVSE: none: of all"]))
    told = await house.get(f"/bookings/{made['id']}", language="fr")
    assert told["reasons"] == ["NO_EVSE: none: of all"]
    assert told["explanation"] == [{"code": "NO_EVSE", "numbers": {}, "sentence": "none: of all"}]


async def test_reasons_that_a_newer_version_has_stored_stay_readable(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1")
    made = await house.post("/bookings", a_trip(START + timedelta(hours=3)))
    unknown = {"words": "LUCK: it is: so", "says": "LUCK.pure", "numbers": {"luck_pct": 7}}
    other = {"words": "READY: full", "says": "READY.planned", "numbers": {"vehicle": "car-1"}}
    async with house.db.write(house.clock, house.services.ids) as work:
        query = sa.update(Booking).where(Booking.id == made["id"])
        await work.session.execute(query.values(reasons=[unknown, other]))
    (told,) = (await house.get("/bookings", language="fr"))["items"]
    assert told["reasons"] == ["LUCK: it is: so", "READY: full"]
    assert told["explanation"] == [
        {"code": "LUCK", "numbers": {"luck_pct": 7}, "sentence": "it is: so"},
        {"code": "READY", "numbers": {"vehicle": "car-1"}, "sentence": "full"},
    ]


async def test_a_change_passes_over_what_it_does_not_know_in_a_query(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1")
    trip, other = a_trip(START + timedelta(hours=3)), {"reason": "x"}
    await house.post("/booking-quotes?reason=x", trip, 200)
    made = await house.post("/bookings?reason=x", trip)
    where = f"/api/v1/bookings/{made['id']}"
    patched = await house.http.patch(where, json={"external_id": "x"}, params=other | ASKED)
    assert spoken(patched) == (200, "de", "Accept-Language")
    cancelled = await house.http.post(f"{where}/cancel", params=other)
    assert cancelled.status_code == 200
    refused = await house.http.get(where, params=other)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "/reason")


async def test_each_language_has_a_tag_and_any_of_them_lets_a_change_pass(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1")
    made = await house.post("/bookings", a_trip(START + timedelta(hours=3)))
    where = f"/api/v1/bookings/{made['id']}"
    tags = [(await house.http.get(where, headers=h)).headers["etag"] for h in ({}, FRENCH)]
    assert len(set(tags)) == 2, "other bytes, another strong tag"
    patched = await house.http.patch(
        where, json={"external_id": "x"}, headers={"If-Match": tags[1], **FRENCH}
    )
    assert spoken(patched) == (200, "fr", "Accept-Language")
    for tag in tags:
        stale = await house.http.patch(where, json={"external_id": "y"}, headers={"If-Match": tag})
        assert stale.status_code == 412
    own = {"If-Match": patched.headers["etag"]}
    cancelled = await house.http.post(f"{where}/cancel", headers=own, params=ASKED)
    assert spoken(cancelled) == (200, "de", "Accept-Language")


async def test_the_table_of_bookings_has_words_for_programs_alone(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await house.fleet("car-1")
    await house.post("/bookings", a_trip(START + timedelta(hours=3)))
    table = await house.http.get("/api/v1/bookings.csv")
    head = table.text.splitlines()[0].split(",")
    assert "reasons" in head
    assert "explanation" not in head
    assert "READY: car-1 can hold" in table.text
