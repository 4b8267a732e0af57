"""Admits or refuses a request, by the policy of its route, its token and its rate limits.

In this order: the address's rate, authentication, authorisation, the caller's rate. The token is a bearer token, or the
session cookie of our own pages (serve/auth/cookies.py). Reads only the head of the request. Stores `policy`, `claims`
and `principal` in the request's state; endpoints get the principal through `Caller`.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.auth.audit_buffer import AuditBuffer
from serve.auth.authentication import Authenticate, TokenInvalid, principal_of
from serve.auth.cookies import SESSION, cookies_of, require_own_page
from serve.auth.policies import Policy, policy_of
from serve.auth.rate_enforcement import RateLimits
from serve.http import problems
from serve.http.client_address import Addresses
from serve.http.fair_slots import acting_caller
from storage.control.principal import Principal
from storage.errors import BackupError


@dataclass(frozen=True, slots=True)
class AccessControl:
    """The collaborators. `authenticate`: None: all routes are public. limits: None: no rate limits.

    notes: None: no audit log. look_s: seconds between two checks of a stream's token.
    """

    authenticate: Authenticate | None = None
    limits: RateLimits | None = None
    notes: AuditBuffer | None = None
    look_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Ends:
    """The token of an admitted request, and its remaining lifetime. left_s: seconds; unless it is revoked before."""

    token: str
    left_s: float


class AuthMiddleware:
    """Authenticates and authorises requests for routes that are not public."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute], access: AccessControl, addresses: Addresses) -> None:
        self._app, self._routes, self._addresses = app, routes, addresses
        self._authenticate, self._limits, self._notes = access.authenticate, access.limits, access.notes
        self._look_s = access.look_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        token = acting_caller.set(None)
        try:
            await self._authorized(scope, receive, send)
        finally:
            acting_caller.reset(token)

    async def _authorized(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy = scope["state"]["policy"] = policy_for(self._routes, scope)
        ends: Ends | None = None
        try:
            self._limit_address(scope, policy)
            if policy is not None and not policy.is_public:
                ends = await self._admit(scope, policy)
        except BackupError as exc:
            if isinstance(exc, TokenInvalid) and exc.reason != "missing":
                self._note(scope["state"]["address"], "token.refused", "access token", exc.reason)
            await problems.of_error(scope, exc)(scope, receive, send)
            return
        principal = scope["state"].get("principal")
        address = f"address {scope['state']['address']}"
        acting_caller.set(address if principal is None else acting(principal))
        if policy is not None and policy.streaming and ends is not None:
            await self._while_good(ends, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _while_good(self, ends: Ends, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond while the token is valid: a stream ends when its token does."""
        started = ended = False

        async def noted(message: Message) -> None:
            nonlocal started, ended
            started = started or message["type"] == "http.response.start"
            ended = ended or (message["type"] == "http.response.body" and not message.get("more_body"))
            await send(message)

        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(loop.time() + ends.left_s) as deadline:
                watch = loop.create_task(self._watch(ends.token, deadline))
                try:
                    await self._app(scope, receive, noted)
                finally:
                    watch.cancel()
        except TimeoutError:
            if not deadline.expired():
                raise
            if not started:
                await problems.of_error(scope, TokenInvalid("expired"))(scope, receive, send)
            elif not ended:
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, token: str, deadline: asyncio.Timeout) -> None:
        assert self._authenticate is not None
        while True:
            await asyncio.sleep(self._look_s)
            try:
                await self._authenticate(token)
            except BackupError:
                deadline.reschedule(0.0)
                return

    def _note(self, actor: str, action: str, subject: str, what: str) -> None:
        if self._notes is not None:
            self._notes.add(actor, action, subject, what)

    def _limit_address(self, scope: Scope, policy: Policy | None) -> None:
        """Charge the address first: refused requests count, too."""
        address = scope["state"]["address"] = self._addresses.of(scope)
        if self._limits is not None:
            cost = policy.cost if policy is not None and policy.is_public else 1.0
            self._add_headers(scope, self._limits.spend("address", address, cost))
            if policy is not None and policy.login:
                self._add_headers(scope, self._limits.spend("login", address, 1.0))

    def _add_headers(self, scope: Scope, headers: dict[str, str]) -> None:
        scope["state"]["headers"].update(headers)

    async def _admit(self, scope: Scope, policy: Policy) -> Ends:
        headers = Headers(scope=scope)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        cookie = "" if scheme else cookies_of(headers.get("cookie", "")).get(SESSION, "")
        if self._authenticate is None or not (cookie or (scheme.lower() == "bearer" and token)):
            raise TokenInvalid
        token = cookie or token
        claims = await self._authenticate(token)
        if cookie:
            require_own_page(scope["method"], headers, claims)
        principal = principal_of(claims)
        scope["state"].update(claims=claims, principal=principal, user_id=principal.user_id)
        policy.check(principal)
        if principal.grant_id is not None and principal.actor is not None:
            scope["state"]["user_id"] = f"{principal.user_id} by {principal.actor}"
            self._note(principal.actor, "grant.read", principal.grant_id, f"{scope['method']} {scope['path']}")
        if self._limits is not None:
            # The actor is charged, not the mailbox's owner.
            self._add_headers(scope, self._limits.spend("principal", acting(principal), policy.cost))
        return Ends(token, max(float(claims["exp"]) - time.time(), 0.0))


def acting(principal: Principal) -> str:
    """The user who is charged for a request: the reader by a grant, else the mailbox's owner. By address."""
    return principal.acting_email.lower()


def policy_for(routes: Sequence[BaseRoute], scope: Scope) -> Policy | None:
    """The policy of the request's route; None if the application will answer 404 or 405."""
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            return policy_of(route)
    return None


async def _principal(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


async def _claims(request: Request) -> dict[str, Any]:
    claims: dict[str, Any] = request.state.claims
    return claims


#: The principal of a request, for an endpoint that is not public.
Caller = Annotated[Principal, Depends(_principal)]
#: The claims of the request's access token.
CallerClaims = Annotated[dict[str, Any], Depends(_claims)]
