"""Tokens as 1.6 speaks of them: what one may, and the list of them that a station keeps.

A token of 1.6 has no type and no more than 20 characters, and its group is called its parent. How
2.0.1 and 2.1 speak of tokens is in `csms.ocpp.blocks.authorization`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.fields import optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Outcome, Said, by_status
from csms.ocpp.wire import v16
from models import answers, commands, facts

Status = Literal["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]
STATUS: Mapping[answers.TokenStatus, Status] = {
    "Accepted": "Accepted",
    "Blocked": "Blocked",
    "Expired": "Expired",
    "ConcurrentTx": "ConcurrentTx",
}
"""Everything else is `Invalid`: 1.6 knows no finer words."""


def token_presented(request: v16.AuthorizeRequest, hearing: Hearing) -> facts.TokenPresented:
    """Returns which token an Authorize asks about."""
    return facts.TokenPresented(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        scheme="1.6",
        id_token=request.id_tag,
    )


def token_answer(_fact: facts.TokenPresented, answer: answers.TokenAnswer) -> msgspec.Struct:
    """Returns the response to an Authorize."""
    return v16.AuthorizeResponse(
        id_tag_info=v16.AuthorizeResponseIdTagInfo(
            status=STATUS.get(answer.status, "Invalid"),
            expiry_date=optional(answer.expires_at and wire_time(answer.expires_at)),
            parent_id_tag=optional(answer.group_token and answer.group_token[:20]),
        )
    )


def clear_cache(_command: commands.ClearCache) -> msgspec.Struct:
    """Returns the request that has a station forget what it was told of tokens."""
    return v16.ClearCacheRequest()


def _listed(token: commands.ListedToken) -> v16.SendLocalListLocalAuthorizationList:
    info: v16.SendLocalListLocalAuthorizationListIdTagInfo | UnsetType = UNSET
    if token.status is not None:
        info = v16.SendLocalListLocalAuthorizationListIdTagInfo(
            status=STATUS.get(token.status, "Invalid"),
            expiry_date=optional(token.expires_at and wire_time(token.expires_at)),
            parent_id_tag=optional(token.parent and token.parent[:20]),
        )
    return v16.SendLocalListLocalAuthorizationList(id_tag=token.id_token, id_tag_info=info)


def _send_list(command: commands.SendLocalList) -> msgspec.Struct:
    return v16.SendLocalListRequest(
        list_version=command.version,
        update_type="Full" if command.full else "Differential",
        local_authorization_list=[_listed(token) for token in command.tokens],
    )


def _read_list_version(_command: commands.ReadLocalListVersion) -> msgspec.Struct:
    return v16.GetLocalListVersionRequest()


def _list_version_read(
    _command: commands.ReadLocalListVersion, response: Mapping[str, Any]
) -> Outcome:
    """A version of -1 says that there is no place for a list (OCPP 1.6 section 5.10)."""
    version = int(response["listVersion"])
    if version < 0:
        return Outcome(status="not-supported", detail=f"list version {version}")
    return Outcome(status="accepted", list_version=version)


LOCAL_LIST = Block(
    "Local authorisation list",
    said=(
        Said(commands.SendLocalList, _send_list, by_status, ("SendLocalList",)),
        Said(
            commands.ReadLocalListVersion,
            _read_list_version,
            _list_version_read,
            ("GetLocalListVersion",),
        ),
    ),
    sent=("GetLocalListVersion", "SendLocalList"),
)
