"""Who may call a route, and what a call weighs: stated beside every route, checked by serve/auth/authorization.py.

A route without a policy does not start (`require_policies`), so none is open by being forgotten.
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
    """What somebody is to the cluster. Each reads their own mail; no role reads another's."""

    OWNER = "owner"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class Scope(StrEnum):
    """What an API key may be narrowed to; by default it may do all that its role may."""

    MAIL = "mail"
    ANALYTICS = "analytics"
    SYNC = "sync"
    KEYS = "keys"
    CAMPAIGNS = "campaigns"
    AUDIT = "audit"
    RESTORE = "restore"


#: Scopes that a grant to read another's mailbox gives: reading, nothing else.
GRANTED = frozenset({Scope.MAIL, Scope.ANALYTICS})
#: Scopes that a key has only if they were named when it was made (`gbm keys create --scope`): they write into Gmail.
NAMED = frozenset({Scope.RESTORE})


def may_restore(principal: Principal) -> bool:
    """Whether the caller's key, or the grant that the caller acts by, was made to restore mail."""
    return principal.scopes is not None and Scope.RESTORE.value in principal.scopes


class RoleRequired(BackupError):
    """The caller's role may not do this. Use a key of one that may."""

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
    `grants`: who reads another's mail by a grant may call it, as they may all that GRANTED has.
    """

    roles: frozenset[Role] | None
    scope: Scope | None = None
    cost: float = 1.0
    login: bool = False
    streaming: bool = False
    grants: bool = False

    @property
    def is_public(self) -> bool:
        """Whether no token is asked for."""
        return self.roles is None

    def check(self, principal: Principal) -> None:
        """Raise RoleRequired or ScopeRequired unless this principal may."""
        if self.roles is not None and principal.role not in self.roles:
            raise RoleRequired(*sorted(self.roles))
        if self.scope in NAMED and not may_restore(principal):
            raise ScopeRequired(self.scope or "session")
        if principal.grant_id is not None and not (self.grants or self.scope in GRANTED | NAMED):
            raise ScopeRequired(self.scope or "session")
        if self.scope is not None and principal.scopes is not None and self.scope not in principal.scopes:
            raise ScopeRequired(self.scope)


def permits(
    *roles: Role, scope: Scope | None = None, cost: float = 1.0, streaming: bool = False, grants: bool = False
) -> Callable[[_Endpoint], _Endpoint]:
    """Let these roles (none named: all) call the endpoint below. Goes under the route's decorator.

    Args:
        scope: what a narrowed key must have been given; None: any key may call it.
    """
    return _marked(Policy(frozenset(roles or Role), scope, cost, streaming=streaming, grants=grants))


def public(cost: float = 1.0, login: bool = False) -> Callable[[_Endpoint], _Endpoint]:
    """Let anybody call the endpoint below, without a token."""
    return _marked(Policy(None, cost=cost, login=login))


def policy_of(route: BaseRoute) -> Policy | None:
    """What was stated of a route."""
    return getattr(getattr(route, "endpoint", None), _POLICY, None)


def require_policies(routes: Iterable[BaseRoute]) -> None:
    """Raise TypeError when something was not said who may call it: a defect of ours."""
    for route in routes:
        if policy_of(route) is None:
            name = route.path if isinstance(route, Route) else repr(route)
            raise TypeError(f"{name} has no policy: put `permits` or `public` on its endpoint")


def _marked(policy: Policy) -> Callable[[_Endpoint], _Endpoint]:
    def mark(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _POLICY, policy)
        return endpoint

    return mark
