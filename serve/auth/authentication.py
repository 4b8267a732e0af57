"""Access tokens and their principals.

JWTs signed with Ed25519 (RFC 9864). Verification trusts nothing in a token before its signature: the algorithm and
the key type are ours, only the key id is read to find the key. Tokens come in the Authorization header or in the
session cookie, never in URLs.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from cachetools import LRUCache
from joserfc import jws, jwt
from joserfc.errors import JoseError

from serve.auth.revocations import Revocations
from serve.auth.signing import SigningKeys
from serve.config import TokenConfig
from serve.http.executor import BlockingExecutor
from storage.control.principal import Principal
from storage.errors import BackupError

_ALGORITHM = "Ed25519"
_LONGEST = 4096
#: Maximum number of cached verified tokens: a verification takes 0.1 ms.
_REMEMBERED = 1000
_LEEWAY_S = 5  # clocks of two machines differ
#: joserfc's error -> the reason in the audit log.
_REASONS = {"ExpiredTokenError": "expired", "InvalidClaimError": "foreign", "MissingClaimError": "of another version"}


class TokenInvalid(BackupError):
    """The access token is missing, forged, foreign, expired or revoked. Get a new one.

    `reason` is for the audit log and is not sent to the caller. "missing": no token, which is not an attack.
    """

    def __init__(self, reason: str = "missing") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return "A valid access token is needed: get one from POST /api/v1/auth/token and send it as a Bearer token."


class AccessTokens:
    """Issues and verifies access tokens. Blocks if a key has to be read first."""

    def __init__(self, keys: SigningKeys, config: TokenConfig, now: Callable[[], float] = time.time) -> None:
        self._keys, self._config, self._now = keys, config, now
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: int(now()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": config.issuer},
            aud={"essential": True, "value": config.audience},
            exp={"essential": True},
            nbf={"essential": True},
            sub={"essential": True},
        )

    def now(self) -> float:
        """The time that decides whether tokens have expired, in seconds since 1970."""
        return self._now()

    @property
    def lifetime_s(self) -> int:
        """Seconds that a token is good for."""
        return self._config.access_s

    def issue(
        self,
        principal: Principal,
        session: str | None = None,
        lifetime_s: float | None = None,
        actor_id: int | None = None,
    ) -> str:
        """Issue a token for a principal.

        Args:
            session: the family of the refresh token that goes with it.
            lifetime_s: maximum lifetime; None: the lifetime of all tokens.
            actor_id: the user who reads another's mailbox with it.
        """
        key, now = self._keys.current(), int(self._now())
        lifetime = self._config.access_s if lifetime_s is None else min(self._config.access_s, int(lifetime_s))
        claims: dict[str, Any] = {
            "iss": self._config.issuer,
            "aud": self._config.audience,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "sub": str(principal.user_id),
            "email": principal.email,
            "shard": principal.shard_id,
            "role": principal.role,
        }
        if principal.scopes is not None:
            claims["scope"] = " ".join(sorted(principal.scopes))
        claims |= {
            name: value
            for name, value in (("sid", session), ("key", principal.key_id), ("grant", principal.grant_id))
            if value is not None
        }
        if principal.actor is not None:
            claims["act"] = {"sub": principal.actor, "id": str(actor_id)}  # RFC 8693: who acts
        return jwt.encode({"alg": _ALGORITHM, "kid": key.kid}, claims, key, algorithms=[_ALGORITHM])

    def is_ready(self, token: str) -> bool:
        """Whether `verify` needs no database for this token."""
        try:
            return self._keys.known(_kid(token)) is not None
        except TokenInvalid:
            return True

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a valid token.

        Raises:
            TokenInvalid, DatabaseUnreachable.
        """
        key = self._keys.find(_kid(token))
        if key is None:
            raise TokenInvalid("unknown key")
        try:
            claims = jwt.decode(token, key, algorithms=[_ALGORITHM]).claims
            self._claims.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as exc:
            raise TokenInvalid(_reason(exc)) from exc
        return claims


def principal_of(claims: dict[str, Any]) -> Principal:
    """The principal of verified claims.

    Raises:
        TokenInvalid: they are signed, but not of this version of the service.
    """
    try:
        email, role, shard, scope = claims["email"], claims["role"], claims["shard"], claims.get("scope")
        key, grant, actor = claims.get("key"), claims.get("grant"), claims.get("act", {}).get("sub")
        texts = all(isinstance(each, str | None) for each in (scope, key, grant, actor))
        if not (isinstance(email, str) and isinstance(role, str) and isinstance(shard, int) and texts):
            raise TokenInvalid("of another version")
        scopes = None if scope is None else frozenset(scope.split())
        return Principal(int(claims["sub"]), email, shard, role, scopes, key, grant, actor)
    except (KeyError, ValueError, TypeError, AttributeError) as exc:
        raise TokenInvalid("of another version") from exc


#: Returns the claims of an access token; raises TokenInvalid or DatabaseUnreachable.
Authenticate = Callable[[str], Awaitable[dict[str, Any]]]


def authenticator(
    tokens: AccessTokens, threads: BlockingExecutor, revocations: Revocations | None = None
) -> Authenticate:
    """Verifies tokens; in a thread only where a signing key has to be read first. A token that was good a moment ago
    is not verified again, but whether it was revoked is asked every time.
    """
    good: LRUCache[str, dict[str, Any]] = LRUCache(_REMEMBERED)

    async def verified(token: str) -> dict[str, Any]:
        claims = good.get(token)
        if claims is not None and claims["exp"] > tokens.now():
            return claims
        good.pop(token, None)
        claims = tokens.verify(token) if tokens.is_ready(token) else await threads.run(tokens.verify, token)
        good[token] = claims
        return claims

    async def authenticate(token: str) -> dict[str, Any]:
        claims = await verified(token)
        if revocations is not None and await revocations.revoked(claims):
            raise TokenInvalid("revoked")
        return claims

    return authenticate


def _reason(exc: Exception) -> str:
    return "not valid yet" if "not yet" in str(exc) else _REASONS.get(type(exc).__name__, "forged")


def _kid(token: str) -> str:
    """The key id that a token claims, before anything is verified."""
    if len(token) > _LONGEST:
        raise TokenInvalid("too long")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, KeyError) as exc:
        raise TokenInvalid("no token") from exc
    kid = header.get("kid")
    if header.get("alg") != _ALGORITHM or not isinstance(kid, str):
        raise TokenInvalid("wrong algorithm")
    return kid
