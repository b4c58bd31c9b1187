"""The service does what its OpenAPI document says, for inputs that nobody thought of.

Schemathesis makes them from the document: valid ones and broken ones. No input may be answered
with a server error, with a status or content type that the document does not name, or with a body
that it does not describe.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
import uvicorn
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from csms.routers import ROUTERS
from csms.web.application import api_document
from tests.builders.rest_house import RestHouse, a_model, rest_house

EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


async def furnish(house: RestHouse) -> None:
    """Puts one of everything there, so that random names sometimes are somebody's."""
    await house.site(id="0")
    await house.station("0", "0", evses=[{"evse_id": 1}])
    await house.post("/vehicle-models", a_model(id="0"))
    await house.post("/vehicles", {"id": "0", "model_id": "0", "site_id": "0"})
    await house.post("/drivers", {"id": "0", "name": "Ada"})
    await house.post("/id-tokens", {"id": "0", "id_token": "0", "type": "Local"})


async def serve(url: str, started: threading.Event, place: dict[str, Any]) -> None:
    async with rest_house(url) as house:
        await furnish(house)
        place["key"] = await house.key("admin")
        config = uvicorn.Config(
            house.app, host="127.0.0.1", port=0, lifespan="off", log_level="critical", ws="none"
        )
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        place["port"] = server.servers[0].sockets[0].getsockname()[1]
        place["server"] = server
        started.set()
        await server.main_loop()
        await server.shutdown()


@pytest.fixture(scope="module")
def place(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Runs a house in a thread of its own."""
    path = tmp_path_factory.mktemp("contract") / "contract.db"
    path.write_bytes(sqlite_template.read_bytes())
    started, place = threading.Event(), dict[str, Any]()
    thread = threading.Thread(
        target=lambda: asyncio.run(serve(f"sqlite:///{path}", started, place)), daemon=True
    )
    thread.start()
    assert started.wait(30)
    yield place
    place["server"].should_exit = True
    thread.join(20)


def aim(case: schemathesis.Case) -> None:
    """Makes a request be about things that are there."""
    for name in case.path_parameters or {}:
        if name != "kind":
            case.path_parameters[name] = "0"
    body: Any = case.body
    if isinstance(body, dict):
        for name in REFERENCES & body.keys():
            body[name] = "0"


schemathesis.openapi.format("iana-time-zone", st.sampled_from(["Europe/Paris", "UTC"]))
FRAMING = {"content-length", "transfer-encoding"}
"""Headers by which the HTTP server refuses a request before we see it."""
REFERENCES = {"site_id", "model_id", "driver_id", "vehicle_id"}
SCHEMA = schemathesis.openapi.from_dict(api_document(ROUTERS))
OPERATIONS = {
    operation.label: operation
    for operation in (result.ok() for result in SCHEMA.get_all_operations())
    if not operation.path.endswith(("/events", "/stream"))  # a stream has no end
}


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_operation_keeps_to_the_document(
    place: dict[str, Any], label: str, mode: GenerationMode
) -> None:
    headers = {"Authorization": f"Bearer {place['key']}"}

    @hypothesis.given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def kept(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE and case.method != "DELETE":
            aim(case)
        for name in FRAMING & {each.lower() for each in case.headers or {}}:
            del case.headers[name]
        case.call_and_validate(
            base_url=f"http://127.0.0.1:{place['port']}",
            headers=headers,
            checks=CHECKS,
            timeout=20,
        )

    kept()
