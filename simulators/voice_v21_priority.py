"""The words of OCPP 2.1 about priority charging and dynamic profiles."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from ocpp.routing import on

from simulators.notices import PriorityPress, ScheduleQuestion
from simulators.voice import Voice


class PriorityVoiceV21(Voice):
    """Lets transactions go first, and asks for limits."""

    requests: ClassVar[ModuleType]

    async def prefer(self, notice: PriorityPress | ScheduleQuestion) -> None:
        """Tells of a driver's wish, or asks how a dynamic profile goes on."""
        if isinstance(notice, PriorityPress):
            await self.ask(
                self.requests.NotifyPriorityCharging(
                    transaction_id=notice.transaction_id, activated=notice.active
                )
            )
            return
        number = notice.profile_id
        answer = await self.ask(self.requests.PullDynamicScheduleUpdate(charging_profile_id=number))
        if answer is not None and str(answer.status) == "Accepted":
            self.station.limits.go_on(number, answer.schedule_update)

    @on("UsePriorityCharging")
    def on_use_priority(self, transaction_id: str, activate: bool, **_: Any) -> object:  # noqa: FBT001
        """UsePriorityChargingRequest."""
        for evse in self.station.evses.values():
            if evse.transaction is not None and evse.transaction.local_id == transaction_id:
                status = self.station.limits.prefer(evse.evse_id, active=activate)
                return self.results.UsePriorityCharging(status=status)
        return self.results.UsePriorityCharging(status="Rejected")

    @on("UpdateDynamicSchedule")
    def on_update_schedule(
        self, charging_profile_id: int, schedule_update: dict[str, Any], **_: Any
    ) -> object:
        """UpdateDynamicScheduleRequest."""
        known = self.station.limits.go_on(charging_profile_id, schedule_update)
        return self.results.UpdateDynamicSchedule(status="Accepted" if known else "Rejected")
