"""The words of OCPP 1.6 (edition 2, with the security extensions) for a station."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from ocpp.routing import on
from ocpp.v16 import ChargePoint as ChargePointV16
from ocpp.v16 import call, call_result
from ocpp.v16.datatypes import MeterValue, SampledValue
from ocpp.v16.enums import (
    Action,
    AuthorizationStatus,
    AvailabilityStatus,
    CancelReservationStatus,
    ChargePointErrorCode,
    ChargePointStatus,
    ChargingProfileStatus,
    ClearCacheStatus,
    ClearChargingProfileStatus,
    ConfigurationStatus,
    DataTransferStatus,
    FirmwareStatus,
    GetCompositeScheduleStatus,
    Measurand,
    Phase,
    ReadingContext,
    Reason,
    RegistrationStatus,
    RemoteStartStopStatus,
    ReservationStatus,
    ResetStatus,
    TriggerMessageStatus,
    UnitOfMeasure,
    UnlockStatus,
    UpdateFirmwareStatus,
    UpdateStatus,
)

from models.timeline import parse_rfc3339
from simulators.firmware import Order
from simulators.notices import (
    Answer,
    Ask,
    Boot,
    Ended,
    FirmwareNote,
    Heartbeat,
    LogNote,
    Metered,
    Notice,
    Sample,
    SignRequest,
    Started,
    Status,
    Updated,
)
from simulators.odd_limits import taken
from simulators.profiles import Purpose
from simulators.reservations import Reservation
from simulators.triggers import triggered
from simulators.variables import Variable
from simulators.voice import read_instant, read_order, read_profile, write_periods
from simulators.voice_keys import KeysV16
from simulators.voice_v16_logs import LogVoiceV16
from simulators.whitelist import Entry

LONG_KEY = "SettingOfAVendorWhoNeverCountedTheCharactersOfItsName"
NO_TRANSACTION = -1
"""What a box says for a transaction whose number it never learned."""

_PURPOSES = {
    "ChargePointMaxProfile": Purpose.STATION,
    "TxDefaultProfile": Purpose.DEFAULT,
    "TxProfile": Purpose.TRANSACTION,
}
_REASONS = {"Reset": Reason.soft_reset, "DeAuthorized": Reason.de_authorized}


class VoiceV16(KeysV16, LogVoiceV16, ChargePointV16):
    """A 1.6 station."""

    version: ClassVar[str] = "1.6"
    results: ClassVar[ModuleType] = call_result
    known_actions: ClassVar[frozenset[str]] = frozenset(str(action) for action in Action)

    async def say(self, notice: Notice) -> Answer:
        """Says one notice in 1.6."""
        match notice:
            case Boot():
                return await self._boot()
            case Heartbeat():
                await self.ask(call.Heartbeat())
            case Status():
                await self._status(notice)
            case Ask():
                result = await self.ask(call.Authorize(id_tag=self._tag(notice.token)))
                return self._token_answer(result)
            case Started():
                return await self._started(notice)
            case Updated():
                if notice.trigger != "Authorized":
                    await self._updated(notice)
            case Ended():
                await self._ended(notice)
            case Metered():
                context = ReadingContext.trigger
                values = [self._meter_value(notice.sample, context)]
                await self.ask(call.MeterValues(notice.evse_id, values))
            case _:
                await self._say_seldom(notice)
        return Answer()

    async def _say_seldom(self, notice: Notice) -> None:
        """1.6 has no words for inventories, monitors and the end of reservations."""
        if isinstance(notice, FirmwareNote | LogNote):
            await self._progress(notice)
        elif isinstance(notice, SignRequest):
            await self.say_request(notice.csr)

    async def _boot(self) -> Answer:
        kind = self.station.kind
        result = await self.ask(
            call.BootNotification(
                charge_point_model=kind.model,
                charge_point_vendor=kind.vendor,
                charge_point_serial_number=self.station.identity[:25],
                firmware_version=self.station.firmware.version,
            )
        )
        if result is None:
            return Answer(accepted=False, status="CallError")
        accepted = result.status == RegistrationStatus.accepted
        return Answer(accepted, str(result.status), int(result.interval))

    async def _status(self, notice: Status) -> None:
        status = notice.charging_state if notice.status == "Occupied" else notice.status
        if status == "EVConnected":
            status = "Preparing"
        await self.ask(
            call.StatusNotification(
                connector_id=notice.evse_id,
                error_code=(
                    ChargePointErrorCode.internal_error
                    if status == "Faulted"
                    else ChargePointErrorCode.no_error
                ),
                status=ChargePointStatus(status),
                timestamp=self.stamp(notice.changed_at),
            )
        )

    async def _started(self, notice: Started) -> Answer:
        transaction = notice.transaction
        result = await self.ask(
            call.StartTransaction(
                connector_id=transaction.evse_id,
                id_tag=self._tag(transaction.token),
                meter_start=transaction.meter_start_wh,
                timestamp=self.stamp(transaction.started_at),
                reservation_id=transaction.reservation_id,
            )
        )
        if result is None:
            return Answer(status="CallError")  # the box goes on without a number
        answer = self._token_answer(result)
        return Answer(answer.accepted, answer.status, transaction_id=int(result.transaction_id))

    async def _updated(self, notice: Updated) -> None:
        asked = notice.trigger == "Trigger"
        context = ReadingContext.trigger if asked else ReadingContext.sample_periodic
        await self.ask(
            call.MeterValues(
                connector_id=notice.transaction.evse_id,
                meter_value=[self._meter_value(notice.sample, context)],
                transaction_id=notice.transaction.ocpp_id,
            )
        )

    async def _ended(self, notice: Ended) -> None:
        transaction = notice.transaction
        given = transaction.ocpp_id
        await self.ask(
            call.StopTransaction(
                meter_stop=notice.sample.energy_wh,
                timestamp=self.stamp(notice.sample.measured_at),
                transaction_id=NO_TRANSACTION if given is None else given,
                reason=_REASONS.get(notice.reason) or Reason(notice.reason),
                id_tag=self._tag(transaction.token),
            )
        )

    async def _progress(self, notice: FirmwareNote | LogNote) -> None:
        if isinstance(notice, LogNote):
            await self.log(notice)
            return
        word = FirmwareStatus(notice.word)
        if notice.signed and notice.request_id is not None:
            await self.ask(call.SignedFirmwareStatusNotification(word, notice.request_id))
        else:
            await self.ask(call.FirmwareStatusNotification(word))

    def _tag(self, token: str) -> str:
        return token.lower() if "tag-case" in self.station.quirks else token

    @staticmethod
    def _token_answer(result: Any | None) -> Answer:
        if result is None:
            return Answer(accepted=False, status="CallError")
        info: dict[str, Any] = result.id_tag_info
        status = str(info["status"])
        accepted = status == AuthorizationStatus.accepted
        return Answer(accepted, status, group=info.get("parent_id_tag"))

    def _meter_value(self, sample: Sample, context: ReadingContext) -> MeterValue:
        kilo = "kilo-units" in self.station.quirks
        energy = f"{sample.energy_wh / 1000:.3f}" if kilo else str(sample.energy_wh)
        power = f"{sample.power_w / 1000:.3f}" if kilo else f"{sample.power_w:.1f}"
        values = [
            SampledValue(
                value=energy,
                context=context,
                measurand=Measurand.energy_active_import_register,
                unit=UnitOfMeasure.kwh if kilo else UnitOfMeasure.wh,
            )
        ]
        if "energy-only" not in self.station.quirks:
            values.append(
                SampledValue(
                    value=power,
                    context=context,
                    measurand=Measurand.power_active_import,
                    unit=UnitOfMeasure.kw if kilo else UnitOfMeasure.w,
                )
            )
            phases = [None] if sample.phases == 1 else [Phase.l1, Phase.l2, Phase.l3]
            values += [
                SampledValue(
                    value=f"{sample.current_a:.2f}",
                    context=context,
                    measurand=Measurand.current_import,
                    phase=phase,
                    unit=UnitOfMeasure.a,
                )
                for phase in phases
            ]
        if sample.soc_pct is not None:
            values.append(
                SampledValue(
                    value=f"{sample.soc_pct:.1f}",
                    context=context,
                    measurand=Measurand.soc,
                    unit=UnitOfMeasure.percent,
                )
            )
        return MeterValue(timestamp=self.stamp(sample.measured_at), sampled_value=values)

    @on(Action.remote_start_transaction)
    def on_remote_start(self, id_tag: str, **payload: Any) -> object:
        """RemoteStartTransaction.req, with a profile for the new transaction if one is given."""
        evse_id: int | None = payload.get("connector_id")
        at = self.now()
        accepted = self.station.remote_start(evse_id, id_tag, None, at)
        profile: dict[str, Any] | None = payload.get("charging_profile")
        if accepted and profile is not None and evse_id is not None:
            self._store(evse_id, profile)
        return call_result.RemoteStartTransaction(_start_stop(accepted=accepted))

    @on(Action.remote_stop_transaction)
    def on_remote_stop(self, transaction_id: int, **_: Any) -> object:
        """RemoteStopTransaction.req."""
        accepted = self.station.remote_stop(transaction_id, self.now())
        return call_result.RemoteStopTransaction(_start_stop(accepted=accepted))

    @on(Action.change_availability)
    def on_change_availability(self, connector_id: int, type: str, **_: Any) -> object:  # noqa: A002
        """ChangeAvailability.req."""
        operative = type == "Operative"
        status = self.station.change_availability(connector_id, operative=operative, at=self.now())
        return call_result.ChangeAvailability(AvailabilityStatus(status))

    @on(Action.unlock_connector)
    def on_unlock(self, connector_id: int, **_: Any) -> object:
        """UnlockConnector.req."""
        done = self.station.unlock(connector_id, self.now())
        status = UnlockStatus.unlocked if done else UnlockStatus.not_supported
        return call_result.UnlockConnector(status)

    @on(Action.reset)
    def on_reset(self, type: str, **_: Any) -> object:  # noqa: A002 - the specification's name
        """Reset.req; the line does it after the answer."""
        self.station.wants_reset = type
        return call_result.Reset(ResetStatus.accepted)

    @on(Action.trigger_message)
    def on_trigger(self, requested_message: str, **payload: Any) -> object:
        """TriggerMessage.req."""
        evse_id: int | None = payload.get("connector_id")
        done = triggered(self.station, requested_message, evse_id, self.now())
        accepted, no = TriggerMessageStatus.accepted, TriggerMessageStatus.not_implemented
        return call_result.TriggerMessage(accepted if done else no)

    @on(Action.get_configuration)
    def on_get_configuration(self, **payload: Any) -> object:
        """GetConfiguration.req: the keys asked for, or all."""
        quirks = self.station.quirks
        asked: list[str] = payload.get("key") or list(self.station.variables.names())
        if "getconf-ignores-filter" in quirks:
            asked = list(self.station.variables.names())
        known: list[dict[str, Any]] = []
        unknown: list[str] = []
        for name in asked:
            variable = self.station.variables.get(name)
            if variable is None and "getconf-drops-unknown" not in quirks:
                unknown.append(name)
            elif variable is None:
                continue
            else:
                known.append(_key_value(name, variable))
        if "long-keys" in quirks:
            known.append({"key": LONG_KEY, "readonly": True, "value": "1"})
        return call_result.GetConfiguration(known or None, unknown or None)

    @on(Action.change_configuration)
    def on_change_configuration(self, key: str, value: str, **_: Any) -> object:
        """ChangeConfiguration.req."""
        status = self.station.variables.set(key, value)
        return call_result.ChangeConfiguration(ConfigurationStatus(status))

    @on(Action.set_charging_profile)
    def on_set_profile(
        self, connector_id: int, cs_charging_profiles: dict[str, Any], **_: Any
    ) -> object:
        """SetChargingProfile.req."""
        accepted = self._store(connector_id, cs_charging_profiles)
        yes, no = ChargingProfileStatus.accepted, ChargingProfileStatus.rejected
        return call_result.SetChargingProfile(yes if accepted else no)

    @on(Action.clear_charging_profile)
    def on_clear_profile(self, **payload: Any) -> object:
        """ClearChargingProfile.req."""
        purpose: str | None = payload.get("charging_profile_purpose")
        found = self.station.limits.clear(
            profile_id=payload.get("id"),
            evse_id=payload.get("connector_id"),
            purpose=None if purpose is None else _PURPOSES[purpose],
            stack_level=payload.get("stack_level"),
        )
        yes, no = ClearChargingProfileStatus.accepted, ClearChargingProfileStatus.unknown
        return call_result.ClearChargingProfile(yes if found else no)

    @on(Action.get_composite_schedule)
    def on_composite(self, connector_id: int, duration: int, **payload: Any) -> object:
        """GetCompositeSchedule.req."""
        at = self.now()
        periods = self.station.composite(connector_id, at, duration)
        if periods is None:
            return call_result.GetCompositeSchedule(GetCompositeScheduleStatus.rejected)
        unit = str(payload.get("charging_rate_unit") or "W")
        written = write_periods(periods, unit=unit, phases=self.station.kind.phases)
        return call_result.GetCompositeSchedule(
            status=GetCompositeScheduleStatus.accepted,
            connector_id=connector_id,
            schedule_start=self.stamp(at),
            charging_schedule={
                "duration": duration,
                "charging_rate_unit": unit,
                "charging_schedule_period": written,
            },
        )

    @on(Action.clear_cache)
    def on_clear_cache(self, **_: Any) -> object:
        """ClearCache.req."""
        cleared = self.station.whitelist.clear_cache()
        yes, no = ClearCacheStatus.accepted, ClearCacheStatus.rejected
        return call_result.ClearCache(yes if cleared else no)

    @on(Action.get_local_list_version)
    def on_list_version(self, **_: Any) -> object:
        """GetLocalListVersion.req."""
        return call_result.GetLocalListVersion(self.station.whitelist.version)

    @on(Action.send_local_list)
    def on_send_list(self, list_version: int, update_type: str, **payload: Any) -> object:
        """SendLocalList.req."""
        said: list[dict[str, Any]] = payload.get("local_authorization_list") or []
        entries = [_entry(each["id_tag"], each.get("id_tag_info") or {}) for each in said]
        taken = self.station.whitelist.take(list_version, entries, full=update_type == "Full")
        return call_result.SendLocalList(UpdateStatus(taken))

    @on(Action.reserve_now)
    def on_reserve(self, connector_id: int, expiry_date: str, **payload: Any) -> object:
        """ReserveNow.req; connector 0 is whichever."""
        wish = Reservation(
            int(payload["reservation_id"]),
            connector_id or None,
            str(payload["id_tag"]),
            payload.get("parent_id_tag"),
            parse_rfc3339(expiry_date),
        )
        whichever = self.station.variables.is_on("ReserveConnectorZeroSupported")
        kept = self.station.reservations.keep(wish, self.now(), whichever=whichever)
        return call_result.ReserveNow(ReservationStatus(kept))

    @on(Action.cancel_reservation)
    def on_cancel_reservation(self, reservation_id: int, **_: Any) -> object:
        """CancelReservation.req."""
        known = self.station.reservations.cancel(reservation_id, self.now())
        yes, no = CancelReservationStatus.accepted, CancelReservationStatus.rejected
        return call_result.CancelReservation(yes if known else no)

    @on(Action.update_firmware)
    def on_update_firmware(self, location: str, retrieve_date: str, **_: Any) -> object:
        """UpdateFirmware.req: its answer is empty, so it can't be refused."""
        self.station.firmware.take(Order(location, read_instant(retrieve_date) or self.now()))
        return call_result.UpdateFirmware()

    @on(Action.signed_update_firmware)
    def on_signed_update(self, request_id: int, firmware: dict[str, Any], **_: Any) -> object:
        """SignedUpdateFirmware.req."""
        taken = self.station.firmware.take(read_order(request_id, firmware, self.now()))
        return call_result.SignedUpdateFirmware(UpdateFirmwareStatus(taken))

    @on(Action.data_transfer)
    def on_data_transfer(self, **_: Any) -> object:
        """DataTransfer.req: no vendor's words are known here."""
        return call_result.DataTransfer(DataTransferStatus.unknown_vendor_id)

    def _store(self, evse_id: int, raw: dict[str, Any]) -> bool:
        profile = read_profile(
            raw,
            raw["charging_schedule"],
            profile_id=int(raw["charging_profile_id"]),
            purpose=_PURPOSES[str(raw["charging_profile_purpose"])],
            evse_id=evse_id,
            phases=self.station.kind.phases,
            received_at=self.now(),
        )
        told = taken(
            profile, raw["charging_schedule"], self.station.quirks, self.station.kind.phases
        )
        return self.station.set_profile(told, self.now())


def _start_stop(*, accepted: bool) -> RemoteStartStopStatus:
    return RemoteStartStopStatus.accepted if accepted else RemoteStartStopStatus.rejected


def _entry(tag: str, info: dict[str, Any]) -> Entry:
    return Entry(
        tag,
        info.get("status"),
        read_instant(info.get("expiry_date")),
        info.get("parent_id_tag"),
    )


def _key_value(name: str, variable: Variable) -> dict[str, Any]:
    return {"key": name, "readonly": not variable.writable, "value": variable.value}
