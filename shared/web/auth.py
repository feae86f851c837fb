"""Who calls, and how far their token reaches.

Scopes are `<service>:<read|write|admin>`, where admin implies write and write implies read, and `pii:read`, without
which names and numbers are shown masked. Every route declares the scope that it asks for, or that it is public.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant

from shared.errors import BadToken, Forbidden, Unauthorized
from shared.web.limits import Limits, address_of

if TYPE_CHECKING:
    from shared.web.verification import Verifier

PUBLIC = "public"
MACHINES = "public:machines"
PERSONAL_DATA = "pii:read"
IMPLIED = {"admin": ("admin", "write", "read"), "write": ("write", "read")}

_PRINCIPAL = "peyvand.principal"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a token was given to. `scopes` holds what it grants, implied scopes included."""

    subject: str
    scopes: frozenset[str]
    agent_id: UUID | None = None

    def may(self, scope: str) -> bool:
        """Tell whether the token reaches as far as `scope`."""
        return scope in self.scopes

    @property
    def sees_personal_data(self) -> bool:
        """Tell whether names and numbers are shown to this principal unmasked."""
        return PERSONAL_DATA in self.scopes


def principal_of(claims: Mapping[str, Any]) -> Principal:
    """Return whom verified claims speak of. Scopes stand in `scope` (words), or in a list (`scopes`, `scp`)."""
    given = claims.get("scope") or claims.get("scopes") or claims.get("scp") or []
    words = given.split() if isinstance(given, str) else given
    if not isinstance(words, list):
        raise BadToken("The token's scopes are neither words nor a list.", fa="دسترسی‌های توکن (scope) درست نیست.")
    scopes = frozenset(word for word in words if isinstance(word, str))
    return Principal(claims["sub"], granted(scopes), _agent_id(claims.get("agent_id")))


def _agent_id(claim: object) -> UUID | None:
    """Return whose leads alone are seen; what cannot be read must not open everybody's."""
    try:
        return UUID(str(claim)) if claim is not None else None
    except ValueError as error:
        raise BadToken("The token's agent_id is no UUID.", fa="شناسهٔ کارشناس (agent_id) در توکن درست نیست.") from error


def granted(scopes: frozenset[str]) -> frozenset[str]:
    """Return `scopes` with all that they imply."""
    implied = set(scopes)
    for scope in scopes:
        service, _, reach = scope.partition(":")
        implied.update(f"{service}:{lower}" for lower in IMPLIED.get(reach, ()))
    return frozenset(implied)


async def authenticate(request: Request) -> Principal:
    """Return whose token the request carries; 401 if it carries none that verifies."""
    known = request.scope.get(_PRINCIPAL)
    if known is None:
        verifier: Verifier[Principal] = request.app.state.verifier
        token = _bearer(request)
        known = verifier.remembered(token) or await _verified(request, verifier, token)
        request.scope[_PRINCIPAL] = known
    return cast("Principal", known)


async def _verified(request: Request, verifier: Verifier[Principal], token: str) -> Principal:
    """Return whose new token it is; an address that sends many that do not verify has no more of them looked at."""
    limits: Limits = request.app.state.limits
    stranger = (BadToken.code, address_of(request.scope))
    limits.strangers.refuse_spent(stranger)
    try:
        return await verifier.verify(token)
    except BadToken:
        limits.strangers.take(stranger)
        raise


async def admit(request: Request, scopes: Sequence[str], route: str) -> Principal | None:
    """Return whom a request comes from, where `route` asks for that.

    Refuses with 401 whoever shows no token that verifies, with 429 whoever asks too often, and with 403 whoever's
    token does not reach as far as `scopes`.
    """
    limits: Limits = request.app.state.limits
    if is_public(scopes):
        limit = limits.machines if MACHINES in scopes else limits.strangers
        limit.take((route, address_of(request.scope)))
        return None
    principal = await authenticate(request)
    limits.tokens.take(principal.subject)
    for scope in scopes:
        _refuse_without(principal, scope)
    return principal


def refuse_to_search(principal: Principal, parameter: str) -> None:
    """Refuse who may not see personal data a search by what begins a name: letter by letter it would tell the whole."""
    if not principal.sees_personal_data:
        raise Forbidden(
            f"To search by {parameter} needs a token with the scope {PERSONAL_DATA}.",
            fa=f"برای جست‌وجو با {parameter} توکنی با دسترسی {PERSONAL_DATA} لازم است.",
        )


def is_public(scopes: Sequence[str]) -> bool:
    """Tell whether a route that declares `scopes` asks for no token."""
    return list(scopes) in ([PUBLIC], [MACHINES])


def _refuse_without(principal: Principal, scope: str) -> None:
    if not principal.may(scope):
        raise Forbidden(
            f"This needs a token with the scope {scope}.", fa=f"برای این کار توکنی با دسترسی {scope} لازم است."
        )


@cache
def _checking(scope: str) -> Callable[[Request], Awaitable[Principal]]:
    async def check(request: Request) -> Principal:
        principal = await authenticate(request)
        _refuse_without(principal, scope)
        return principal

    check.declared_scope = scope  # type: ignore[attr-defined]
    return check


async def _open_to_all() -> None:
    """Ask for no token; the route says how it knows its callers, if it needs to."""


_open_to_all.declared_scope = PUBLIC  # type: ignore[attr-defined]


async def _open_to_machines() -> None:
    """Ask for no token; callers are programs that call as often as something happens."""


_open_to_machines.declared_scope = MACHINES  # type: ignore[attr-defined]


def requires(scope: str) -> Any:
    """Return the dependency of a route that asks for `scope`, such as `leads:write`."""
    return Depends(_checking(scope))


def public(*, by_machines: bool = False) -> Any:
    """Return the dependency of a route that needs no token: a hosted page, or, called `by_machines`, a webhook."""
    return Depends(_open_to_machines if by_machines else _open_to_all)


PrincipalDep = Annotated[Principal, Depends(authenticate)]


def declared_scopes(route: Any) -> list[str]:
    """Return every scope that a route declares; `public` and `public:machines` stand for a declared absence of any."""
    known: Sequence[str] = getattr(getattr(route, "original_route", route), "scopes", ())
    dependant: Dependant | None = getattr(route, "dependant", None)
    return list(dict.fromkeys([*known, *(_scopes_of(dependant) if dependant is not None else ())]))


def declared_scope(route: Any) -> str | None:
    """Return the scope that a route declares, `public`, or None for a route that declares nothing."""
    return next(iter(declared_scopes(route)), None)


def scope_of(call: Any) -> str | None:
    """Return the scope that a dependency made by `requires` or `public` stands for, None for any other."""
    scope: str | None = getattr(call, "declared_scope", None)
    return scope


def _scopes_of(dependant: Dependant) -> Iterator[str]:
    for dependency in dependant.dependencies:
        scope = scope_of(dependency.call)
        if scope is not None:
            yield scope
        yield from _scopes_of(dependency)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized(
            "No token was given: send the header Authorization: Bearer <token>.",
            fa="توکنی فرستاده نشده است؛ سرآیند Authorization: Bearer <token> را بفرستید.",
        )
    return token.strip()
