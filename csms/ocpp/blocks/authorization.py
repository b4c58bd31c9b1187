"""C and D, authorisation: tokens, and the list of them that a station keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

import msgspec
from msgspec import UNSET, UnsetType

from csms.ocpp.blocks import contracts
from csms.ocpp.fields import given, optional, wire_time
from csms.ocpp.hearing import Hearing
from csms.ocpp.table import Block, Heard, Outcome, Said, by_status
from csms.ocpp.wire import v21, v201
from models import answers, commands, facts, proofs


def token_presented(
    request: v201.AuthorizeRequest | v21.AuthorizeRequest, hearing: Hearing
) -> facts.TokenPresented:
    """Returns which token an Authorize asks about."""
    return facts.TokenPresented(
        station=hearing.station,
        received_at=hearing.received_at,
        suspect=hearing.suspect,
        scheme="2.x",
        id_token=request.id_token.id_token,
        token_type=request.id_token.type,
        proof=_proof(request),
    )


def _proof(request: v201.AuthorizeRequest | v21.AuthorizeRequest) -> proofs.Proof | None:
    """Returns what is shown of a contract: its certificates, or the hashes of them (C07)."""
    hashes = given(request.iso15118_certificate_hash_data) or ()
    chain = given(request.certificate)
    if chain is None and not hashes:
        return None
    return proofs.Proof(chain=chain, wanted=tuple(contracts.wanted(each) for each in hashes))


def token_answer(_fact: facts.TokenPresented, answer: answers.TokenAnswer) -> msgspec.Struct:
    """Returns the response to an Authorize."""
    return v201.AuthorizeResponse(
        id_token_info=token_info(answer.status, answer), certificate_status=optional(answer.proof)
    )


def token_info(
    status: answers.TokenStatus, answer: answers.TokenAnswer | answers.TransactionAnswer
) -> v201.IdTokenInfoType:
    """Returns what a station is told of a token."""
    group: v201.IdTokenType | UnsetType = UNSET
    if answer.group_token is not None:
        group = token_of(answer.group_token, answer.group_token_type)
    return v201.IdTokenInfoType(
        status=status,
        cache_expiry_date_time=optional(answer.expires_at and wire_time(answer.expires_at)),
        group_id_token=group,
    )


def token_of(id_token: str, token_type: str | None) -> v201.IdTokenType:
    """Returns a token as the wire has it; `Central` where 2.0.1 does not know its type."""
    known = token_type if token_type in get_args(v201.IdTokenEnumType) else "Central"
    return v201.IdTokenType(id_token=id_token, type=cast("v201.IdTokenEnumType", known))


def _clear_cache(_command: commands.ClearCache) -> msgspec.Struct:
    return v201.ClearCacheRequest()


def _listed(token: commands.ListedToken) -> v201.AuthorizationData:
    info: v201.IdTokenInfoType | UnsetType = UNSET
    if token.status is not None:
        info = v201.IdTokenInfoType(
            status=token.status,
            cache_expiry_date_time=optional(token.expires_at and wire_time(token.expires_at)),
            group_id_token=token_of(token.parent, None) if token.parent else UNSET,
        )
    named = token_of(token.id_token, token.token_type)
    return v201.AuthorizationData(id_token=named, id_token_info=info)


def _send_list(command: commands.SendLocalList) -> msgspec.Struct:
    """An empty full list has no list at all (D01.FR.04): the schema wants one entry at least."""
    return v201.SendLocalListRequest(
        version_number=command.version,
        update_type="Full" if command.full else "Differential",
        local_authorization_list=optional([_listed(token) for token in command.tokens] or None),
    )


def _read_list_version(_command: commands.ReadLocalListVersion) -> msgspec.Struct:
    return v201.GetLocalListVersionRequest()


def _list_version_read(
    _command: commands.ReadLocalListVersion, response: Mapping[str, Any]
) -> Outcome:
    return Outcome(status="accepted", list_version=int(response["versionNumber"]))


BLOCK = Block(
    "C. Authorisation",
    heard=(
        Heard(
            v201.AuthorizeRequest,
            token_presented,
            facts.TokenPresented,
            token_answer,
            answers.TokenAnswer,
        ),
    ),
    said=(Said(commands.ClearCache, _clear_cache, by_status, ("ClearCache",)),),
    sent=("ClearCache",),
)
LOCAL_LIST = Block(
    "D. Local authorisation list management",
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
