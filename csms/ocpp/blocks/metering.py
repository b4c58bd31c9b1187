"""J, metering outside transactions."""

from __future__ import annotations

from csms.ocpp.hearing import Hearing
from csms.ocpp.readings import readings_2x
from csms.ocpp.table import Block, Heard, nothing
from csms.ocpp.wire import v21, v201
from models import answers, facts


def readings_reported(
    request: v201.MeterValuesRequest | v21.MeterValuesRequest, hearing: Hearing
) -> facts.ReadingsReported:
    """Returns what a MeterValues tells; EVSE 0 is the station's main meter."""
    readings = readings_2x(request.meter_value, hearing)
    return facts.ReadingsReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        scheme="2.x",
        evse_id=request.evse_id,
        readings=readings,
    )


BLOCK = Block(
    "J. Meter values",
    heard=(
        Heard(
            v201.MeterValuesRequest,
            readings_reported,
            facts.ReadingsReported,
            nothing(v201.MeterValuesResponse),
            answers.EmptyAnswer,
            precious=True,
        ),
    ),
)
