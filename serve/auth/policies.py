"""Who may call a route, and the cost of a call: declared beside every route, enforced by serve/auth/authorization.py.

A route without a policy does not start (`require_policies`), so no route is open by omission.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from starlette.routing import BaseRoute, Route

from storage.control.principal import Principal
from storage.errors import BackupError

_POLICY = "__gbm_policy__"
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


class Role(StrEnum):
    """The role of a user. Every role reads its own mail; no role reads another user's mail."""

    OWNER = "owner"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class Scope(StrEnum):
    """A restriction of an API key; by default a key may do all that its role may."""

    MAIL = "mail"
    ANALYTICS = "analytics"
    SYNC = "sync"
    KEYS = "keys"
    CAMPAIGNS = "campaigns"
    AUDIT = "audit"
    RESTORE = "restore"
    EVENTS = "events"


#: Scopes that a grant to read another's mailbox gives: reading, nothing else.
GRANTED = frozenset({Scope.MAIL, Scope.ANALYTICS})
#: Scopes that a key has only if they were named when it was made (`gbm keys create --scope`): they write into Gmail.
NAMED = frozenset({Scope.RESTORE})


def may_restore(principal: Principal) -> bool:
    """Whether the caller's key, or the grant that the caller acts by, was made to restore mail."""
    return principal.scopes is not None and Scope.RESTORE.value in principal.scopes


class RoleRequired(BackupError):
    """The caller's role may not do this. Use a key with the required role."""

    def __init__(self, *roles: str) -> None:
        super().__init__(*roles)
        self.roles = roles

    def __str__(self) -> str:
        roles = " or ".join(self.roles)
        return f"This needs the role {roles}: use a key of `gbm keys create EMAIL --role {self.roles[0]}`."


class ScopeRequired(BackupError):
    """The caller's key was narrowed and may not do this. Use another key."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope

    def __str__(self) -> str:
        return f'This needs the scope "{self.scope}": use a key that has it.'


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may call a route.

    `roles`: None: anybody, without a token. `scope`: None: any key. `cost`: what a call takes from its caller's
    rate limit; 1 is a lookup. `login`: it is an attempt to sign in. `streaming`: its answer may last.
    `grants`: who reads another's mail by a grant may call it, as they may all that GRANTED has. `own`: a scope that
    allows it as `scope` does, but not to who acts by a grant.
    """

    roles: frozenset[Role] | None
    scope: Scope | None = None
    cost: float = 1.0
    login: bool = False
    streaming: bool = False
    grants: bool = False
    own: Scope | None = None

    @property
    def is_public(self) -> bool:
        """Whether no token is required."""
        return self.roles is None

    def check(self, principal: Principal) -> None:
        """Raise RoleRequired or ScopeRequired unless this principal may."""
        if self.roles is not None and principal.role not in self.roles:
            raise RoleRequired(*sorted(self.roles))
        if self._is_own(principal):
            return
        if self.scope in NAMED and not may_restore(principal):
            raise ScopeRequired(self.scope or "session")
        if principal.grant_id is not None and not (self.grants or self.scope in GRANTED | NAMED):
            raise ScopeRequired(self.scope or "session")
        if self.scope is not None and principal.scopes is not None and self.scope not in principal.scopes:
            raise ScopeRequired(self.scope)

    def _is_own(self, principal: Principal) -> bool:
        whole = principal.scopes is None or self.own in principal.scopes
        return self.own is not None and principal.grant_id is None and whole


def permits(
    *roles: Role,
    scope: Scope | None = None,
    cost: float = 1.0,
    streaming: bool = False,
    grants: bool = False,
    own: Scope | None = None,
) -> Callable[[_Endpoint], _Endpoint]:
    """Allow these roles (none named: all) to call the endpoint below. Goes under the route's decorator.

    Args:
        scope: what a narrowed key must have been given; None: any key may call it.
        own: another scope that is enough, where the caller does not act by a grant.
    """
    return _marked(Policy(frozenset(roles or Role), scope, cost, streaming=streaming, grants=grants, own=own))


def public(cost: float = 1.0, login: bool = False) -> Callable[[_Endpoint], _Endpoint]:
    """Allow calls of the endpoint below without a token."""
    return _marked(Policy(None, cost=cost, login=login))


def policy_of(route: BaseRoute) -> Policy | None:
    """The policy declared for a route."""
    return getattr(getattr(route, "endpoint", None), _POLICY, None)


def require_policies(routes: Iterable[BaseRoute]) -> None:
    """Raise TypeError if a route has no policy, which is a defect of this program."""
    for route in routes:
        if policy_of(route) is None:
            name = route.path if isinstance(route, Route) else repr(route)
            raise TypeError(f"{name} has no policy: put `permits` or `public` on its endpoint")


def _marked(policy: Policy) -> Callable[[_Endpoint], _Endpoint]:
    def mark(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _POLICY, policy)
        return endpoint

    return mark
