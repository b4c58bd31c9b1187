"""The words of OCPP 2.0.1 and 2.1 for a station: the same functional blocks, two packages."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from ocpp.routing import on
from ocpp.v21 import ChargePoint as ChargePointV21
from ocpp.v21 import call as call_v21
from ocpp.v21 import call_result as result_v21
from ocpp.v21.enums import Action as ActionV21
from ocpp.v201 import ChargePoint as ChargePointV201
from ocpp.v201 import call as call_v201
from ocpp.v201 import call_result as result_v201
from ocpp.v201.enums import Action as ActionV201

from simulators.notices import (
    Answer,
    Ask,
    Boot,
    Ended,
    EventNote,
    FirmwareNote,
    Heartbeat,
    LogNote,
    Metered,
    MonitorPart,
    Notice,
    Payment,
    PriorityPress,
    Report,
    ReservationGone,
    Sample,
    ScheduleQuestion,
    SignRequest,
    Started,
    Status,
    Told,
    Transaction,
    Updated,
    VatQuestion,
    Words,
)
from simulators.odd_limits import taken
from simulators.profiles import Purpose
from simulators.variables import ENTRIES, NAMES_2X
from simulators.voice import read_order, read_profile, write_periods
from simulators.voice_keys import KeysV2X
from simulators.voice_v2x_customers import CustomerVoiceV2X
from simulators.voice_v2x_diagnostics import DiagnosticsVoiceV2X
from simulators.voice_v2x_displays import DisplayVoiceV2X
from simulators.voice_v2x_inventory import InventoryVoiceV2X
from simulators.voice_v2x_limits import LimitVoiceV2X
from simulators.voice_v2x_money import MoneyVoiceV2X, MoneyVoiceV21
from simulators.voice_v2x_plain import PlainVoiceV2X
from simulators.voice_v2x_publishing import PublishingVoiceV2X
from simulators.voice_v2x_tokens import TokenVoiceV2X, yes_no
from simulators.voice_v21_priority import PriorityVoiceV21
from simulators.whitelist import CARD

_STOP_TRIGGERS = {
    "EVDisconnected": "EVCommunicationLost",
    "Remote": "RemoteStop",
    "PowerLoss": "AbnormalCondition",
    "DeAuthorized": "Deauthorized",
    "UnlockCommand": "UnlockCommand",
    "Reset": "ResetCommand",
}
_STOP_REASONS = {"UnlockCommand": "Other", "Reset": "ImmediateReset"}


class VoiceV2X(
    KeysV2X,
    TokenVoiceV2X,
    DiagnosticsVoiceV2X,
    DisplayVoiceV2X,
    LimitVoiceV2X,
    InventoryVoiceV2X,
    CustomerVoiceV2X,
    PublishingVoiceV2X,
    MoneyVoiceV2X,
    PlainVoiceV2X,
):
    """What 2.0.1 and 2.1 share."""

    requests: ClassVar[ModuleType]
    """The package's dataclasses of calls; what nests in them is written as dictionaries."""

    async def say(self, notice: Notice) -> Answer:
        """Says one notice in 2.x."""
        match notice:
            case Boot():
                return await self._boot(notice)
            case Heartbeat():
                await self.ask(self.requests.Heartbeat())
            case Status():
                await self._status(notice)
            case Ask():
                token = _token(notice.token)
                return _token_answer(await self.ask(self.requests.Authorize(id_token=token)))
            case Started() | Updated() | Ended():
                return await self._transaction(notice)
            case Metered():
                value = self._meter_value(notice.sample, "Trigger")
                await self.ask(
                    self.requests.MeterValues(evse_id=notice.evse_id, meter_value=[value])
                )
            case SignRequest():
                await self.say_request(notice.csr)
            case _:
                await self._report_on(notice)
        return Answer()

    async def _report_on(self, notice: Notice) -> None:
        """Says what is about the station itself, and wants no more than being heard."""
        match notice:
            case Report():
                await self._report(notice)
            case ReservationGone():
                await self.ask(
                    self.requests.ReservationStatusUpdate(
                        reservation_id=notice.number, reservation_update_status=notice.reason
                    )
                )
            case FirmwareNote():
                await self._firmware(notice)
            case _:
                await self._say_of_parts(notice)

    async def _say_of_parts(self, notice: Notice) -> None:
        """Says what the parts of the station's outfit have to tell."""
        match notice:
            case LogNote() | MonitorPart() | EventNote():
                await self.diagnose(notice)
            case Payment() | VatQuestion():
                assert isinstance(self, VoiceV21), "2.0.1 has no words for it"
                await self.pay(notice)
            case PriorityPress() | ScheduleQuestion():
                assert isinstance(self, VoiceV21), "2.0.1 has no words for it"
                await self.prefer(notice)
            case Told():
                await self.ask(getattr(self.requests, notice.action)(**notice.fields))
            case Words():
                await self.speak(notice)
            case _:
                raise TypeError(f"2.x has no words for {notice!r}")

    async def _boot(self, notice: Boot) -> Answer:
        kind = self.station.kind
        result = await self.ask(
            self.requests.BootNotification(
                charging_station={
                    "vendor_name": kind.vendor,
                    "model": kind.model,
                    "serial_number": self.station.identity[:25],
                    "firmware_version": self.station.firmware.version,
                },
                reason=notice.reason,
            )
        )
        if result is None:
            return Answer(accepted=False, status="CallError")
        return Answer(result.status == "Accepted", str(result.status), int(result.interval))

    async def _firmware(self, notice: FirmwareNote) -> None:
        await self.ask(
            self.requests.FirmwareStatusNotification(
                status=notice.word, request_id=notice.request_id
            )
        )

    async def _status(self, notice: Status) -> None:
        if notice.evse_id == 0:
            return
        held = notice.status in {"Preparing", "Finishing"}
        await self.ask(
            self.requests.StatusNotification(
                timestamp=self.stamp(notice.changed_at),
                connector_status="Occupied" if held else notice.status,
                evse_id=notice.evse_id,
                connector_id=1,
            )
        )

    async def _transaction(self, notice: Started | Updated | Ended) -> Answer:
        transaction = notice.transaction
        if isinstance(notice, Ended):
            kind, context, trigger = "Ended", "Transaction.End", _STOP_TRIGGERS[notice.reason]
            with_token = False
        elif isinstance(notice, Started):
            kind, context, trigger = "Started", "Transaction.Begin", notice.trigger
            with_token = notice.with_token
        else:
            asked = notice.trigger == "Trigger"
            kind, context = "Updated", "Trigger" if asked else "Sample.Periodic"
            trigger, with_token = notice.trigger, notice.with_token
        result = await self.ask(
            self.requests.TransactionEvent(
                event_type=kind,
                timestamp=self.stamp(notice.sample.measured_at),
                trigger_reason=trigger,
                seq_no=notice.seq_no,
                transaction_info=self._info(notice),
                meter_value=[self._meter_value(notice.sample, context)],
                offline=notice.offline,
                reservation_id=transaction.reservation_id if with_token else None,
                evse={"id": transaction.evse_id, "connector_id": 1},
                id_token=_token(transaction.token) if with_token else None,
            )
        )
        self.take_cost(transaction.local_id, result)
        if not with_token or result is None:
            return Answer()
        return _token_answer(result)

    @staticmethod
    def _info(notice: Started | Updated | Ended) -> dict[str, Any]:
        transaction: Transaction = notice.transaction
        info: dict[str, Any] = {"transaction_id": transaction.local_id}
        if transaction.remote_start_id is not None:
            info["remote_start_id"] = transaction.remote_start_id
        if isinstance(notice, Ended):
            info["stopped_reason"] = _STOP_REASONS.get(notice.reason, notice.reason)
        else:
            info["charging_state"] = notice.charging_state
        return info

    async def _report(self, notice: Report) -> None:
        data = [self._reported(row) for row in notice.variables]
        await self.ask(
            self.requests.NotifyReport(
                request_id=notice.request_id,
                generated_at=self.stamp(self.now()),
                seq_no=notice.seq_no,
                report_data=data,
                tbc=not notice.last,
            )
        )

    def _reported(self, row: tuple[str, str, str, bool]) -> dict[str, Any]:
        component, variable, value, writable = row
        said: dict[str, Any] = {
            "component": {"name": component},
            "variable": {"name": variable},
            "variable_attribute": [
                {"value": value, "mutability": "ReadWrite" if writable else "ReadOnly"}
            ],
        }
        if variable == ENTRIES:
            said["variable_attribute"][0]["value"] = str(len(self.station.whitelist))
            said["variable_characteristics"] = {
                "data_type": "integer",
                "max_limit": float(value),
                "supports_monitoring": False,
            }
        return said

    def _meter_value(self, sample: Sample, context: str) -> dict[str, Any]:
        def value(measurand: str, amount: float, unit: str, phase: str | None = None) -> Any:
            said = {
                "value": amount,
                "context": context,
                "measurand": measurand,
                "unit_of_measure": {"unit": unit},
            }
            return said if phase is None else {**said, "phase": phase}

        values = [value("Energy.Active.Import.Register", float(sample.energy_wh), "Wh")]
        if "energy-only" not in self.station.quirks:
            values.append(value("Power.Active.Import", sample.power_w, "W"))
            phases = [None] if sample.phases == 1 else ["L1", "L2", "L3"]
            values += [value("Current.Import", sample.current_a, "A", phase) for phase in phases]
        if sample.soc_pct is not None:
            values.append(value("SoC", sample.soc_pct, "Percent"))
        return {"timestamp": self.stamp(sample.measured_at), "sampled_value": values}

    @on("RequestStartTransaction")
    def on_request_start(
        self, id_token: dict[str, Any], remote_start_id: int, **payload: Any
    ) -> object:
        """RequestStartTransactionRequest, with a profile for the new transaction if given."""
        evse_id: int | None = payload.get("evse_id")
        token = str(id_token["id_token"])
        accepted = self.station.remote_start(evse_id, token, remote_start_id, self.now())
        profile: dict[str, Any] | None = payload.get("charging_profile")
        if accepted and profile is not None and evse_id is not None:
            self._store(evse_id, profile)
        return self.results.RequestStartTransaction(status=yes_no(accepted=accepted))

    @on("RequestStopTransaction")
    def on_request_stop(self, transaction_id: str, **_: Any) -> object:
        """RequestStopTransactionRequest."""
        accepted = self.station.remote_stop(transaction_id, self.now())
        return self.results.RequestStopTransaction(status=yes_no(accepted=accepted))

    @on("ChangeAvailability")
    def on_change_availability(self, operational_status: str, **payload: Any) -> object:
        """ChangeAvailabilityRequest."""
        evse: dict[str, Any] = payload.get("evse") or {}
        status = self.station.change_availability(
            int(evse.get("id", 0)), operative=operational_status == "Operative", at=self.now()
        )
        return self.results.ChangeAvailability(status=status)

    @on("UnlockConnector")
    def on_unlock(self, evse_id: int, **_: Any) -> object:
        """UnlockConnectorRequest."""
        done = self.station.unlock(evse_id, self.now())
        return self.results.UnlockConnector(status="Unlocked" if done else "UnknownConnector")

    @on("Reset")
    def on_reset(self, type: str, **_: Any) -> object:  # noqa: A002 - the specification's name
        """ResetRequest; the line does it after the answer."""
        self.station.wants_reset = type
        return self.results.Reset(status="Accepted")

    @on("GetVariables")
    def on_get_variables(self, get_variable_data: list[dict[str, Any]], **_: Any) -> object:
        """GetVariablesRequest."""
        found: list[dict[str, Any]] = []
        for wanted in get_variable_data:
            said = {"component": wanted["component"], "variable": wanted["variable"]}
            name = NAMES_2X.get((wanted["component"]["name"], wanted["variable"]["name"]))
            variable = None if name is None else self.station.variables.get(name)
            if variable is not None:
                entries = wanted["variable"]["name"] == ENTRIES
                value = str(len(self.station.whitelist)) if entries else variable.value
                found.append({**said, "attribute_status": "Accepted", "attribute_value": value})
            elif name is not None:
                found.append({**said, "attribute_status": "Rejected"})
            else:
                found.append({**said, "attribute_status": "UnknownVariable"})
        return self.results.GetVariables(get_variable_result=found)

    @on("SetVariables")
    def on_set_variables(self, set_variable_data: list[dict[str, Any]], **_: Any) -> object:
        """SetVariablesRequest."""
        done: list[dict[str, Any]] = []
        for wanted in set_variable_data:
            name = NAMES_2X.get((wanted["component"]["name"], wanted["variable"]["name"]))
            value = str(wanted["attribute_value"])
            status = "UnknownVariable"
            if name is not None:
                status = self.station.variables.set(name, value)
            done.append(
                {
                    "component": wanted["component"],
                    "variable": wanted["variable"],
                    "attribute_status": status,
                }
            )
        return self.results.SetVariables(set_variable_result=done)

    @on("UpdateFirmware")
    def on_update_firmware(self, request_id: int, firmware: dict[str, Any], **_: Any) -> object:
        """UpdateFirmwareRequest."""
        taken = self.station.firmware.take(read_order(request_id, firmware, self.now()))
        return self.results.UpdateFirmware(status=taken)

    @on("SetChargingProfile")
    def on_set_profile(self, evse_id: int, charging_profile: dict[str, Any], **_: Any) -> object:
        """SetChargingProfileRequest."""
        accepted = self._store(evse_id, charging_profile)
        return self.results.SetChargingProfile(status=yes_no(accepted=accepted))

    @on("ClearChargingProfile")
    def on_clear_profile(self, **payload: Any) -> object:
        """ClearChargingProfileRequest."""
        criteria: dict[str, Any] = payload.get("charging_profile_criteria") or {}
        purpose = criteria.get("charging_profile_purpose")
        found = self.station.limits.clear(
            profile_id=payload.get("charging_profile_id"),
            evse_id=criteria.get("evse_id"),
            purpose=None if purpose is None else Purpose(purpose),
            stack_level=criteria.get("stack_level"),
        )
        return self.results.ClearChargingProfile(status="Accepted" if found else "Unknown")

    @on("GetCompositeSchedule")
    def on_composite(self, duration: int, evse_id: int, **payload: Any) -> object:
        """GetCompositeScheduleRequest."""
        at = self.now()
        periods = self.station.composite(evse_id, at, duration)
        if periods is None:
            return self.results.GetCompositeSchedule(status="Rejected")
        unit = str(payload.get("charging_rate_unit") or "W")
        schedule = {
            "evse_id": evse_id,
            "duration": duration,
            "schedule_start": self.stamp(at),
            "charging_rate_unit": unit,
            "charging_schedule_period": write_periods(
                periods, unit=unit, phases=self.station.kind.phases
            ),
        }
        return self.results.GetCompositeSchedule(status="Accepted", schedule=schedule)

    @on("GetTransactionStatus")
    def on_transaction_status(self, **payload: Any) -> object:
        """GetTransactionStatusRequest."""
        wanted: str | None = payload.get("transaction_id")
        waiting = [n for n in self.station.outbox if isinstance(n, Started | Updated | Ended)]
        if wanted is None:
            return self.results.GetTransactionStatus(messages_in_queue=bool(waiting))
        ongoing = any(
            evse.transaction is not None and evse.transaction.local_id == wanted
            for evse in self.station.evses.values()
        )
        queued = any(notice.transaction.local_id == wanted for notice in waiting)
        return self.results.GetTransactionStatus(
            messages_in_queue=queued, ongoing_indicator=ongoing
        )

    @on("DataTransfer")
    def on_data_transfer(self, **_: Any) -> object:
        """DataTransferRequest: no vendor's words are known here."""
        return self.results.DataTransfer(status="UnknownVendorId")

    def _store(self, evse_id: int, raw: dict[str, Any]) -> bool:
        profile = read_profile(
            raw,
            raw["charging_schedule"][0],
            profile_id=int(raw["id"]),
            purpose=Purpose(raw["charging_profile_purpose"]),
            evse_id=evse_id,
            phases=self.station.kind.phases,
            received_at=self.now(),
        )
        told = taken(
            profile, raw["charging_schedule"][0], self.station.quirks, self.station.kind.phases
        )
        return self.station.set_profile(told, self.now())


class VoiceV201(VoiceV2X, ChargePointV201):
    """A 2.0.1 station."""

    version: ClassVar[str] = "2.0.1"
    requests: ClassVar[ModuleType] = call_v201
    results: ClassVar[ModuleType] = result_v201
    known_actions: ClassVar[frozenset[str]] = frozenset(str(action) for action in ActionV201)


class VoiceV21(VoiceV2X, MoneyVoiceV21, PriorityVoiceV21, ChargePointV21):
    """A 2.1 station."""

    version: ClassVar[str] = "2.1"
    requests: ClassVar[ModuleType] = call_v21
    results: ClassVar[ModuleType] = result_v21
    known_actions: ClassVar[frozenset[str]] = frozenset(str(action) for action in ActionV21)


def _token(token: str) -> dict[str, str]:
    return {"id_token": token, "type": CARD}


def _token_answer(result: Any | None) -> Answer:
    if result is None:
        return Answer(accepted=False, status="CallError")
    info: dict[str, Any] | None = result.id_token_info
    status = "Accepted" if info is None else str(info["status"])
    group: dict[str, Any] = (info or {}).get("group_id_token") or {}
    return Answer(status == "Accepted", status, group=group.get("id_token"))
