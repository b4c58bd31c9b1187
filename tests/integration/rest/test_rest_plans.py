"""Lists of plans stay small, tell their currency, and what is asked of them is one thing."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from csms.commands.plan import plan_command
from csms.energy.prices import doubts_of
from csms.planning.api import plans
from models.tables.energy import PriceSeries
from models.tables.planning import Plan
from models.timeline import format_rfc3339
from tests.builders.rest_house import START, RestHouse, a_trip
from tests.integration.rest.test_rest_explanations import furnished, plan_made


async def priced(house: RestHouse, site_id: str, currency: str) -> None:
    await house.post(
        "/prices",
        {
            "site_id": site_id,
            "issued_at": format_rfc3339(house.clock.now()),
            "start": format_rfc3339(START),
            "step_minutes": 60,
            "currency": currency,
            "import_price_per_kwh": ["0.30"] * 2 + ["0.20"] * 46,
            "export_price_per_kwh": ["0.05"] * 48,
        },
    )


def sentences(explanation: dict[str, Any]) -> str:
    return " ".join(
        reason["sentence"] for entry in explanation["charging"] for reason in entry["reasons"]
    )


async def test_a_plan_is_told_in_the_currency_of_its_prices(stepped_on_both: RestHouse) -> None:
    house = stepped_on_both
    await furnished(house)
    assert (await house.get("/plans/current"))["currency"] == "EUR"
    await priced(house, "A", "CHF")
    await house.site(id="B")
    plan_id = await plan_made(house)
    for path in ("/plans/current", f"/plans/{plan_id}", "/plans/current/explanation"):
        assert (await house.get(path))["currency"] == "CHF", "B has no prices, and goes with A"
    told = sentences(await house.get("/plans/current/explanation"))
    assert "CHF/kWh" in told
    assert "EUR" not in told
    await priced(house, "B", "EUR")
    await plan_made(house)
    assert (await house.get("/plans/current"))["currency"] == "XXX", "for two there is no name"


async def test_an_outline_of_plans_leaves_out_what_is_long(stepped_house: RestHouse) -> None:
    house = stepped_house
    plan_id = await furnished(house)
    (whole,) = (await house.get("/plans"))["items"]
    (outline,) = (await house.get("/plans", outline=True))["items"]
    assert outline.items() <= whole.items()
    assert outline["id"] == plan_id
    assert {"currency", "cost", "lower_bound", "status", "gap", "trigger"} <= outline.keys()
    assert not {"stays", "charging", "sites", "assignments"} & outline.keys()


async def test_a_page_of_plans_ends_before_it_is_too_large(
    stepped_on_both: RestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = stepped_on_both
    made = [await furnished(house)]
    for _ in range(4):
        await house.post("/clock", {"advance_to": format_rfc3339(later(house))}, 200)
        made.append(await plan_made(house))
    size = len((await house.http.get(f"/api/v1/plans/{made[0]}")).content)
    monkeypatch.setattr(plans, "PAGE_BYTES_MAX", 2 * size)
    assert await pages(house, "created_at") == [made[:2], made[2:4], made[4:]]
    assert await pages(house, "-created_at") == [made[:2:-1], made[2:0:-1], made[:1]]
    monkeypatch.setattr(plans, "PAGE_BYTES_MAX", 1)
    assert await pages(house, "created_at") == [[each] for each in made], "one at least"


async def test_a_page_of_large_plans_reads_hardly_more_than_it_shows(
    stepped_on_both: RestHouse,
) -> None:
    """Of a hundred plans of a megabyte each eight go into a page: nine documents are read."""
    house = stepped_on_both
    made = await furnished(house)
    async with house.db.write(house.clock, house.services.ids) as work:
        plan = await work.session.get_one(Plan, made)
        values = {each.name: getattr(plan, each.name) for each in Plan.__table__.columns}
        values["document"] = plan.document.ljust(1024 * 1024)
        work.session.add_all(Plan(**values | {"id": f"large-{n:03}"}) for n in range(100))
    asked: list[Any] = []

    def note(state: orm.ORMExecuteState) -> None:
        compiled = state.statement.compile()
        if "plan.document" in str(compiled):
            asked.append({**compiled.params, **(state.parameters or {})})

    sa.event.listen(orm.Session, "do_orm_execute", note)
    try:
        page = await house.get("/plans", limit=100, sort="-created_at")
    finally:
        sa.event.remove(orm.Session, "do_orm_execute", note)
    shown = [each["id"] for each in page["items"]]
    assert shown == [f"large-{99 - n:03}" for n in range(8)]
    assert asked == [{"plan_id": plan_id} for plan_id in (*shown, "large-091")]


def later(house: RestHouse) -> Any:
    return house.clock.now() + timedelta(minutes=1)


async def pages(house: RestHouse, sort: str) -> list[list[str]]:
    found, more = [], dict[str, str]()
    while True:
        page = await house.get("/plans", sort=sort, **more)
        found.append([each["id"] for each in page["items"]])
        if page["next_cursor"] is None:
            return found
        more = {"cursor": page["next_cursor"]}


async def test_one_site_of_a_plan_has_only_its_own_bookings_without_a_car(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    await furnished(house)
    await house.site(id="B")
    await house.post("/vehicles", {"id": "car-b", "model_id": "mia", "site_id": "B"})
    state = {"soc_pct": 90.0, "at_site_id": "B"}
    await house.post("/vehicles/car-b/state", state, 200)
    trip = a_trip(START + timedelta(hours=2), pickup_site_id="B", dropoff_site_id="B")
    booking = await house.post("/bookings", trip)
    await house.post("/vehicles/car-b/state", {"soc_pct": 1.0, "at_site_id": "B"}, 200)
    await plan_made(house)
    assert [each["booking"] for each in await unserved(house)] == [booking["id"]]
    assert [each["booking"] for each in await unserved(house, site_id="B")] == [booking["id"]]
    assert await unserved(house, site_id="A") == []


async def unserved(house: RestHouse, **query: str) -> list[dict[str, Any]]:
    return (await house.get("/plans/current", **query))["unserved"]


async def test_explanations_are_asked_for_by_site_and_by_booking(
    stepped_house: RestHouse,
) -> None:
    house = stepped_house
    plan_id = await furnished(house)
    await house.site(id="B")
    (booking,) = (await house.get("/bookings"))["items"]
    at_a = await house.get(f"/plans/{plan_id}/explanation", site_id="A")
    whole = await house.get(f"/plans/{plan_id}/explanation")
    assert at_a == whole
    missing = await house.get(f"/plans/{plan_id}/explanation", 404, site_id="B")
    assert missing["detail"] == "the plan has no site B"
    await plan_made(house)
    at_b = await house.get("/plans/current/explanation", site_id="B")
    assert not any(at_b[name] for name in ("vehicles", "charging", "assignments", "unserved"))
    path = f"/bookings/{booking['id']}/explanation"
    told = await house.get(path, language="fr")
    assert (told["booking"], told["vehicle"]) == (booking["id"], booking["vehicle_id"])
    assert told["reasons"][0]["sentence"].startswith("La voiture a ")
    assert told["charging"]
    assert all(each["vehicle"] == told["vehicle"] for each in told["charging"])
    assert all(each["to_at"] <= told["start_at"] for each in told["charging"])
    await house.get("/bookings/none/explanation", 404)
    far = await house.post("/bookings", a_trip(START + timedelta(days=10)))
    nothing = await house.get(f"/bookings/{far['id']}/explanation", 404)
    assert nothing["detail"].startswith("the plan in force, which looks until 2026-06-17T06:00:00Z")


async def test_limits_are_found_by_site_plan_and_several_states(house: RestHouse) -> None:
    for query in ("site_id=A", "plan_id=1", "state=accepted&state=obeyed", "station=B"):
        answer = await house.http.get(f"/api/v1/limits?{query}")
        assert answer.json() == {"items": [], "next_cursor": None}, answer.text


async def test_a_plan_is_told_step_by_step(stepped_house: RestHouse) -> None:
    house = stepped_house
    plan_id = await furnished(house)
    plan = await house.get("/plans/current")
    told = await house.get("/plans/current/timeline", site_id="A")
    assert (told["plan_id"], told["currency"], len(told["items"])) == (plan_id, "EUR", 192)
    first, last = told["items"][0], told["items"][-1]
    assert (first["from_at"], first["to_at"]) == (plan["start"], "2026-06-15T06:15:00Z")
    assert (first["import_price_per_kwh"], last["import_price_per_kwh"]) == (0.5, 0.1)
    assert last["to_at"] == "2026-06-17T06:00:00Z"
    charged_w = sum(e["power_w"] * (e["to_step"] - e["from_step"]) for e in plan["charging"])
    assert sum(each["cars_w"] for each in told["items"]) == pytest.approx(charged_w, abs=10)
    for each in told["items"]:
        draws_w = each["load_power_w"] + each["cars_w"] + each["battery_w"] + each["flexible_w"]
        assert each["grid_w"] == pytest.approx(draws_w - each["pv_used_w"], abs=1)
    assert (await house.get(f"/plans/{plan_id}/timeline")) == told
    await house.get("/plans/current/timeline", 404, site_id="B")
    await house.get("/plans/none/timeline", 404)


async def test_a_plan_step_by_step_goes_into_a_spreadsheet(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.get("/plans/current/timeline", 404)
    plan_id = await furnished(house)
    answer = await house.http.get("/api/v1/plans/current/timeline?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert f'filename="plan-{plan_id}.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    items = (await house.get("/plans/current/timeline"))["items"]
    assert list(rows[0]) == list(items[0])
    assert [row["from_at"] for row in rows] == [each["from_at"] for each in items]
    assert [float(row["grid_w"]) for row in rows] == [each["grid_w"] for each in items]
    await house.get("/plans/current/timeline", 422, format="xlsx")


async def test_a_plan_of_the_service_is_judged_offline(
    stepped_house: RestHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = stepped_house
    await furnished(house)
    files: list[Path] = []
    for name in ("problem", "document"):
        answer = await house.http.get(f"/api/v1/plans/current/{name}")
        assert answer.headers["content-type"] == "application/json"
        files.append(tmp_path / f"{name}.json")
        files[-1].write_bytes(answer.content)
        await house.get(f"/plans/none/{name}", 404)
    problem, document = files
    code = plan_command(problem, out=None, check_file=document, time_limit_s=0.0, as_json=False)
    assert (code, capsys.readouterr().out) == (0, "ok: no rule is broken\n")


async def test_a_plan_is_shown_in_short_for_who_draws_it(stepped_house: RestHouse) -> None:
    house = stepped_house
    await house.get("/plans/current/outlook", 404)
    await furnished(house)
    await house.site(id="B")
    plan_id = await plan_made(house)
    await house.post("/clock", {"advance_to": format_rfc3339(START + timedelta(minutes=40))}, 200)
    told = await house.get("/plans/current/outlook", hours=3)
    whole = await house.get("/plans/current")
    assert (told["plan_id"], told["status"]) == (plan_id, whole["status"])
    assert told["unserved"] == len(whole["unserved"])
    assert (told["start"], told["step_minutes"]) == ("2026-06-15T06:30:00Z", 15)
    for site in told["sites"]:
        steps = await house.get("/plans/current/timeline", site_id=site["site_id"])
        part = steps["items"][2:14]
        assert site["cars_w"] == [each["cars_w"] for each in part]
        assert site["pv_used_w"] == [each["pv_used_w"] for each in part]
    assert any(told["sites"][0]["cars_w"])
    assert [each["site_id"] for each in told["sites"]] == ["A", "B"]
    day = await house.get("/plans/current/outlook")
    assert len(day["sites"][0]["cars_w"]) == 96
    await house.get("/plans/current/outlook", 422, hours=49)


async def test_prices_of_a_megawatt_hour_are_noticed_and_not_planned_with(
    stepped_on_both: RestHouse,
) -> None:
    house = stepped_on_both
    await furnished(house)
    wrong = await house.post(
        "/prices",
        {
            "site_id": "A",
            "issued_at": format_rfc3339(house.clock.now()),
            "start": format_rfc3339(START),
            "step_minutes": 60,
            "currency": "CHF",
            "import_price_per_kwh": ["91.2", "84.0", "-3.7", "63.7"],
            "export_price_per_kwh": ["0.05"] * 4,
        },
    )
    why = "half of import_price_per_kwh is 73.85 CHF or more, beyond 5: is it for a MWh, or in "
    assert wrong["doubts"] == [{"code": "UNIT", "detail": f"{why}cents?"}]
    assert await house.get(f"/prices/{wrong['id']}") == wrong
    assert await house.events(f"prices/{wrong['id']}") == ["prices.pushed", "prices.doubted"]
    await plan_made(house)
    told = await house.get("/plans/current/timeline")
    assert (told["currency"], told["items"][0]["import_price_per_kwh"]) == ("EUR", 0.5)


@pytest.mark.parametrize(
    ("currency", "prices", "doubted"),
    [
        ("EUR", ["4.0", "-0.5", "3.9"], False),
        ("EUR", ["0.2", "24.9", "0.3"], False),
        ("EUR", ["0.2", "25.1", "0.3"], True),
        ("EUR", ["-0.2", "-80", "-40"], True),
        ("EUR", ["29", "31", "30"], True),
        ("HUF", ["60", "71", "250"], False),
        ("HUF", ["60000", "71000", "250000"], True),
        ("XAU", ["60000", "71000", "250000"], False),
    ],
)
def test_which_prices_can_be_those_of_a_kwh(
    currency: str, prices: list[str], *, doubted: bool
) -> None:
    series = PriceSeries(
        currency=currency, import_price_per_kwh=prices, export_price_per_kwh=["0"] * 3
    )
    assert [each["code"] for each in doubts_of(series)] == ["UNIT"] * doubted


async def test_prices_that_were_wrong_are_taken_back(stepped_house: RestHouse) -> None:
    house = stepped_house
    await furnished(house)
    await priced(house, "A", "CHF")
    series = {each["currency"]: each for each in (await house.get("/prices"))["items"]}
    right, wrong = series["EUR"], series["CHF"]
    async with house.client(await house.key("viewer")) as viewer:
        assert (await viewer.delete(f"/api/v1/prices/{wrong['id']}")).status_code == 403
    await house.delete(f"/prices/{wrong['id']}")
    await house.delete(f"/prices/{wrong['id']}", 404)
    assert (await house.get("/prices"))["items"] == [right]
    assert await house.events(f"prices/{wrong['id']}") == ["prices.pushed", "prices.deleted"]
    await plan_made(house)
    told = await house.get("/plans/current/timeline")
    assert (told["currency"], told["items"][0]["import_price_per_kwh"]) == ("EUR", 0.5)
