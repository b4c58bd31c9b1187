"""Tokens as the deciders of station facts see them."""

from __future__ import annotations

from collections.abc import Iterable

from csms.access.rules import TokenState, token_key
from csms.ledger.batch import Batch
from csms.ledger.bulk import RowKind
from models.tables.access import IdToken

TOKENS = RowKind(IdToken.__table__, TokenState, key=("tenant_id", "token_key"))


def load_tokens(batch: Batch, presented: Iterable[tuple[str, str]]) -> None:
    """Fetches tokens by tenant and text."""
    batch.rows(TOKENS).load((tenant, token_key(text)) for tenant, text in presented)


def token_of(batch: Batch, tenant: str, id_token: str) -> TokenState | None:
    """Returns what is known of a token; it must have been loaded."""
    return batch.rows(TOKENS).get((tenant, token_key(id_token)))
