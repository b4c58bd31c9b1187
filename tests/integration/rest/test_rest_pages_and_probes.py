"""Pages are self-contained and closed to foreign content; probes tell the truth."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from tests.builders.rest_house import RestHouse

ASSETS = ["/assets/status.js", "/assets/docs.js", "/assets/page.css", "/assets/sun.svg"]


@pytest.mark.parametrize("path", ["/", "/api/docs", *ASSETS])
async def test_pages_load_nothing_from_elsewhere(small_house: RestHouse, path: str) -> None:
    answer = await small_house.http.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    text = answer.text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|\son\w+=|style=|javascript:|innerHTML|eval\(", text)
    for link in re.findall(r'(?:src|href)="([^"]+)"', text):
        if not link.startswith("#"):
            assert (await small_house.http.get(link)).status_code == 200, link


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/", "/api/docs"])
async def test_a_watcher_may_ask_for_the_head_only(small_house: RestHouse, path: str) -> None:
    assert (await small_house.http.head(path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/assets/none.js", "/assets/..%2Fpages.py", "/assets/status.html"]
)
async def test_only_assets_are_served(small_house: RestHouse, path: str) -> None:
    assert (await small_house.http.get(path)).status_code == 404


def test_scripts_put_no_text_into_markup() -> None:
    for name in ("status.js", "docs.js"):
        script = (files("csms.web") / "static" / name).read_text()
        assert "innerHTML" not in script
        assert "insertAdjacentHTML" not in script
        assert "document.write" not in script


async def test_metrics_are_in_the_prometheus_format(house: RestHouse) -> None:
    site = await house.site()
    await house.station("S", site["id"])
    await house.get("/sites/none", 404)
    answer = await house.http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    line = re.compile(
        r"# (HELP|TYPE) heliofleet_\w+ .+"
        r"|heliofleet_\w+(\{\w+=\"[^\"\\]*\"(,\w+=\"[^\"\\]*\")*\})? \d+"
    )
    assert all(line.fullmatch(each) for each in answer.text.splitlines())
    assert 'heliofleet_stations{online="false"} 1' in answer.text
    assert 'heliofleet_http_requests_total{method="GET",status="404"} 1' in answer.text
    assert 'heliofleet_http_requests_total{method="POST",status="201"} 2' in answer.text


async def test_the_document_describes_every_route_and_error(small_house: RestHouse) -> None:
    document = (await small_house.http.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = f"{method} {path}"
            assert operation["summary"], name
            assert operation["security"], name
            assert "401" in operation["responses"], name
            assert "422" in operation["responses"], name
            problems = [c for s, c in operation["responses"].items() if int(s) >= 400]
            assert all("application/problem+json" in each["content"] for each in problems), name
            if method in {"post", "patch", "delete"}:
                names = {each["name"] for each in operation["parameters"]}
                assert names & {"Idempotency-Key", "If-Match"}, name
    patch = document["components"]["schemas"]["NewSitePatch"]
    assert "required" not in patch
    assert "id" not in patch["properties"]
