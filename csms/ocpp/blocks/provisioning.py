"""B, provisioning: booting, the inventory of settings, and resetting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.fields import given, optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.inquiries import report_promised
from csms.ocpp.table import Block, Heard, Outcome, Said, by_status, nothing, worst
from csms.ocpp.wire import v21, v201
from models import answers, commands, facts
from models.commands import reports, upkeep
from models.commands.base import VariableName
from models.errors import BadInput


def boot_reported(
    request: v201.BootNotificationRequest | v21.BootNotificationRequest, hearing: Hearing
) -> facts.BootReported:
    """Returns what a BootNotification tells."""
    station = request.charging_station
    modem = station.modem
    return facts.BootReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        vendor=station.vendor_name,
        model=station.model,
        serial_number=given(station.serial_number),
        firmware_version=given(station.firmware_version),
        reason=request.reason,
        iccid=None if modem is UNSET else given(modem.iccid),
        imsi=None if modem is UNSET else given(modem.imsi),
    )


def boot_answer(_fact: facts.BootReported, answer: answers.BootAnswer) -> msgspec.Struct:
    """Returns the response to a BootNotification."""
    return v201.BootNotificationResponse(
        status=answer.status, current_time=wire_time(answer.now), interval=answer.interval_s
    )


def variables_reported(
    request: v201.NotifyReportRequest | v21.NotifyReportRequest, hearing: Hearing
) -> facts.VariablesReported:
    """Returns one part of an inventory; a variable has a state for each attribute."""
    measured_at = hearing.instant(request.generated_at)
    variables: list[facts.VariableState] = []
    for entry in request.report_data or ():
        evse = entry.component.evse
        traits = entry.variable_characteristics
        max_limit = None if traits is UNSET else given(traits.max_limit)
        variables += [
            facts.VariableState(
                name=entry.variable.name,
                component=entry.component.name,
                component_instance=given(entry.component.instance),
                instance=given(entry.variable.instance),
                evse_id=None if evse is UNSET else evse.id,
                connector_id=None if evse is UNSET else given(evse.connector_id),
                attribute=attribute.type or "Actual",
                value=given(attribute.value),
                read_only=attribute.mutability == "ReadOnly",
                max_limit=max_limit,
            )
            for attribute in entry.variable_attribute
        ]
    return facts.VariablesReported(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        request_id=request.request_id,
        seq_no=request.seq_no,
        last=not request.tbc,
        measured_at=measured_at,
        variables=tuple(variables),
    )


def _reset(command: commands.Reset) -> msgspec.Struct:
    return v201.ResetRequest(
        type="Immediate" if command.kind == "immediate" else "OnIdle",
        evse_id=optional(command.evse_id or None),
    )


def _read_variables(command: commands.ReadVariables) -> msgspec.Struct:
    if not command.names:
        return v201.GetBaseReportRequest(request_id=command.request_id, report_base="FullInventory")
    return v201.GetVariablesRequest(
        get_variable_data=[
            v201.GetVariableDataType(component=component_of(name), variable=variable_of(name))
            for name in command.names
        ]
    )


def _variables_read(command: commands.ReadVariables, response: Mapping[str, Any]) -> Outcome:
    if not command.names:
        return by_status(command, response)
    results = cast("list[dict[str, Any]]", response["getVariableResult"])
    variables = tuple(
        facts.VariableState(
            name=name.name,
            component=name.component,
            component_instance=name.component_instance,
            instance=name.instance,
            evse_id=name.evse_id,
            connector_id=name.connector_id,
            value=result.get("attributeValue"),
        )
        for name, result in zip(command.names, results, strict=False)
        if result.get("attributeStatus") == "Accepted"
    )
    return Outcome(status="accepted", detail=_told(results), variables=variables)


def _write_variables(command: commands.WriteVariables) -> msgspec.Struct:
    return v201.SetVariablesRequest(
        set_variable_data=[
            v201.SetVariableDataType(
                component=component_of(write.variable),
                variable=variable_of(write.variable),
                attribute_value=write.value,
            )
            for write in command.values
        ]
    )


def _variables_written(_command: commands.WriteVariables, response: Mapping[str, Any]) -> Outcome:
    results = cast("list[dict[str, Any]]", response["setVariableResult"])
    statuses = [str(result["attributeStatus"]) for result in results]
    return Outcome(status=worst(statuses), detail=_told(results))


_BASES: Mapping[reports.ReportBase, v201.ReportBaseEnumType] = {
    "full": "FullInventory",
    "configuration": "ConfigurationInventory",
    "summary": "SummaryInventory",
}


def _base_report(command: reports.ReadBaseReport) -> msgspec.Struct:
    return v201.GetBaseReportRequest(
        request_id=command.request_id, report_base=_BASES[command.base]
    )


def _report(command: reports.ReadReport) -> msgspec.Struct:
    return v201.GetReportRequest(
        request_id=command.request_id,
        component_criteria=optional(list(command.criteria) or None),
        component_variable=optional([_place(each) for each in command.places] or None),
    )


def _place(place: reports.ReportPlace) -> v201.ComponentVariableType:
    named = VariableName(
        name=place.variable or "",
        component=place.component,
        component_instance=place.component_instance,
        instance=place.instance,
        evse_id=place.evse_id,
        connector_id=place.connector_id,
    )
    return v201.ComponentVariableType(
        component=component_of(named),
        variable=UNSET if place.variable is None else variable_of(named),
    )


def _network_profile(command: upkeep.SetNetworkProfile) -> msgspec.Struct:
    return v201.SetNetworkProfileRequest(
        configuration_slot=command.slot,
        connection_data=v201.NetworkConnectionProfileType(
            # 2.1 ignores it: the version is agreed on in the handshake.
            ocpp_version="OCPP20",
            ocpp_transport="JSON",
            ocpp_csms_url=command.url,
            message_timeout=command.message_timeout_s,
            security_profile=command.security_profile,
            ocpp_interface=command.interface,
        ),
    )


def _told(results: list[dict[str, Any]]) -> str:
    return ", ".join(str(result["attributeStatus"]) for result in results)


def component_of(name: VariableName) -> v201.ComponentType:
    """Returns the component of a setting.

    Raises:
        BadInput: if none is named, which 2.x needs.
    """
    if name.component is None:
        raise BadInput(f"OCPP 2.x needs the component of {name.name}")
    evse: v201.EVSEType | UnsetType = UNSET
    if name.evse_id is not None:
        evse = v201.EVSEType(id=name.evse_id, connector_id=optional(name.connector_id))
    return v201.ComponentType(
        name=name.component, instance=optional(name.component_instance), evse=evse
    )


def variable_of(name: VariableName) -> v201.VariableType:
    """Returns the variable of a setting."""
    return v201.VariableType(name=name.name, instance=optional(name.instance))


BLOCK = Block(
    "B. Provisioning",
    heard=(
        Heard(
            v201.BootNotificationRequest,
            boot_reported,
            facts.BootReported,
            boot_answer,
            answers.BootAnswer,
        ),
        Heard(
            v201.NotifyReportRequest,
            variables_reported,
            facts.VariablesReported,
            nothing(v201.NotifyReportResponse),
            answers.EmptyAnswer,
        ),
    ),
    said=(
        Said(commands.Reset, _reset, by_status, ("Reset",)),
        Said(
            commands.ReadVariables,
            _read_variables,
            _variables_read,
            ("GetVariables", "GetBaseReport"),
        ),
        Said(
            reports.ReadBaseReport,
            _base_report,
            report_promised("variables", "EmptyResultSet"),
            ("GetBaseReport",),
        ),
        Said(
            reports.ReadReport,
            _report,
            report_promised("variables", "EmptyResultSet"),
            ("GetReport",),
        ),
        Said(commands.WriteVariables, _write_variables, _variables_written, ("SetVariables",)),
        Said(upkeep.SetNetworkProfile, _network_profile, by_status, ("SetNetworkProfile",)),
    ),
    sent=(
        "GetBaseReport",
        "GetReport",
        "GetVariables",
        "Reset",
        "SetNetworkProfile",
        "SetVariables",
    ),
)
