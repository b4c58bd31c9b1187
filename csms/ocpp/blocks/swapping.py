"""S, battery swapping (2.1).

Source: OCPP 2.1 part 2, S01 to S04.
"""

from __future__ import annotations

import msgspec

from csms.ocpp.fields import given
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Said, by_status, nothing
from csms.ocpp.wire import v21
from models import answers
from models.commands import swapping as commands
from models.facts import swapping as facts


def _swapped(request: v21.BatterySwapRequest, hearing: Hearing) -> facts.BatterySwapped:
    return facts.BatterySwapped(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        step=request.event_type,
        request_id=request.request_id,
        id_token=request.id_token.id_token,
        token_type=request.id_token.type,
        batteries=tuple(
            facts.Battery(
                evse_id=each.evse_id,
                serial_number=each.serial_number,
                soc_pct=each.so_c,
                soh_pct=each.so_h,
                produced_at=given(each.production_date),
                vendor_info=given(each.vendor_info),
            )
            for each in request.battery_data
        ),
    )


def _swap(command: commands.SwapBattery) -> msgspec.Struct:
    return v21.RequestBatterySwapRequest(
        request_id=command.request_id,
        id_token=v21.IdTokenType(id_token=command.id_token, type=command.token_type),
    )


BLOCK = Block(
    "S. Battery swapping (2.1)",
    heard=(
        Heard(
            v21.BatterySwapRequest,
            _swapped,
            facts.BatterySwapped,
            nothing(v21.BatterySwapResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(Said(commands.SwapBattery, _swap, by_status, ("RequestBatterySwap",)),),
    sent=("RequestBatterySwap",),
)
