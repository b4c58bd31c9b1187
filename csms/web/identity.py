"""Who asks: API keys, roles and what each role may do.

Keys are kept as keyed hashes. The bootstrap key of the settings is an admin until there is an
admin key in the database. Expiry follows the real clock, also where life time is simulated.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request

from csms.web.problem import NoKey
from csms.web.services import Services, services_of
from models.errors import NotAllowed
from models.states import Role
from models.tables.access import ApiKey

API_KEY_PURPOSE = "api-key"
"""The `Keyring.keyed_hash` purpose of API keys."""

Scope = Literal["read", "read-people", "book", "fleet", "operate", "energy", "admin"]
"""read: anything but people; read-people: drivers and tokens; book: bookings; fleet: cars, models,
drivers, tokens; operate: sites, stations, commands; energy: measurements, forecasts, prices;
admin: keys and the clock."""

SCOPES: Mapping[Role, frozenset[Scope]] = {
    "admin": frozenset({"read", "read-people", "book", "fleet", "operate", "energy", "admin"}),
    "operator": frozenset({"read", "read-people", "book", "operate", "energy"}),
    "fleet-manager": frozenset({"read", "read-people", "book", "fleet", "energy"}),
    "driver": frozenset({"read", "book"}),
    "viewer": frozenset({"read", "read-people"}),
}

TOKEN_FIELDS = frozenset(
    {"id_token", "group_token", "parent", "stopped_by", "master_pass", "vat_number"}
)
"""Members of resources that say who a person is."""
MASK = "********"
_KEY = sa.select(
    ApiKey.id, ApiKey.role, ApiKey.tenant_id, ApiKey.expires_at, ApiKey.revoked_at
).where(ApiKey.key_hash == sa.bindparam("hashed"))
_ADMIN = sa.select(ApiKey.id).where(ApiKey.role == "admin").limit(1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request."""

    key_id: str
    role: Role
    tenant: str

    @property
    def actor(self) -> str:
        """The caller's name in records of change."""
        return f"key:{self.key_id}"

    @property
    def sees_people(self) -> bool:
        """Whether tokens and names may be shown to it."""
        return "read-people" in SCOPES[self.role]

    def shown(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Returns a resource as this caller may see it: without tokens, unless it sees people."""
        if self.sees_people:
            return resource
        return {
            name: MASK if name in TOKEN_FIELDS and value is not None else value
            for name, value in resource.items()
        }

    def require(self, scope: Scope) -> None:
        """Lets callers with `scope` pass.

        Raises:
            NotAllowed: for all others.
        """
        if scope not in SCOPES[self.role]:
            raise NotAllowed(f"the role {self.role} lacks the scope {scope}")


async def authenticate(request: Request) -> Caller:
    """Returns who sent `request`.

    Raises:
        NoKey: if it has no key, or one that is unknown, revoked or expired.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise NoKey("an API key is needed: Authorization: Bearer KEY")
    caller = await _find(services_of(request), key.strip())
    if caller is None:
        raise NoKey("the API key is unknown, revoked or expired")
    return caller


async def _find(services: Services, key: str) -> Caller | None:
    """Looks a key up at each request: what is revoked, here or elsewhere, ends at once."""
    hashed = services.keyring.keyed_hash(API_KEY_PURPOSE, key)
    for row in await services.db.glance(_KEY, hashed=hashed):
        expired = row.expires_at is not None and row.expires_at <= services.wall.now()
        if expired or row.revoked_at is not None or row.role not in SCOPES:
            return None
        return Caller(row.id, row.role, row.tenant_id)
    bootstrap = services.settings.bootstrap_api_key
    if bootstrap is None:
        return None
    if not hmac.compare_digest(bootstrap.get_secret_value().encode(), key.encode()):
        return None
    if await services.db.glance(_ADMIN):
        return None
    return Caller("bootstrap", "admin", "default")


def caller_of(request: Request) -> Caller:
    """Returns who sent a request that `csms.web.route` has let in."""
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller


async def _caller_now(request: Request) -> Caller:
    """`caller_of` for FastAPI, which calls whatever is not `async` in a thread.

    A thread costs more than the look-up, and no virtual clock can wait for it.
    """
    return caller_of(request)


CallerNow = Annotated[Caller, Depends(_caller_now, scope="function")]
"""A route's parameter: who asks."""

_bearer = HTTPBearer(auto_error=False, description="An API key.")


def needs(scope: Scope) -> Callable[..., Awaitable[None]]:
    """Returns the dependency that lets only callers with `scope` pass."""

    async def check(
        request: Request,
        _: Annotated[object, Security(_bearer)] = None,
    ) -> None:
        caller_of(request).require(scope)

    return check
