"""Tokens as the deciders of station facts see them."""

from __future__ import annotations

from collections.abc import Iterable

from csms.access.rules import SiteRules, TokenState, token_key
from csms.ledger.batch import Batch
from csms.ledger.bulk import RowKind
from models.tables.access import IdToken
from models.tables.energy import Site

TOKENS = RowKind(IdToken.__table__, TokenState, key=("tenant_id", "token_key"))
_SITES = RowKind(Site.__table__, SiteRules, key=("id",))


def load_tokens(batch: Batch, presented: Iterable[tuple[str, str]]) -> None:
    """Fetches tokens by tenant and text."""
    batch.rows(TOKENS).load((tenant, token_key(text)) for tenant, text in presented)


def token_of(batch: Batch, tenant: str, id_token: str) -> TokenState | None:
    """Returns what is known of a token; it must have been loaded."""
    return batch.rows(TOKENS).get((tenant, token_key(id_token)))


def load_site_rules(batch: Batch, site_ids: Iterable[str | None]) -> None:
    """Fetches what sites say of those who charge there."""
    batch.rows(_SITES).load(site_id for site_id in site_ids if site_id is not None)


def site_rules(batch: Batch, site_id: str | None) -> SiteRules | None:
    """Returns what a site says of those who charge there; it must have been loaded."""
    return None if site_id is None else batch.rows(_SITES).get(site_id)
