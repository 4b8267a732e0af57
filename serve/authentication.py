"""Access tokens and who they speak for.

JWTs signed with Ed25519 (RFC 9864). Verification trusts nothing in a token before its signature: the algorithm and
the key type are ours, only the key id is read to find the key. Tokens come in the Authorization header, never in URLs.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from serve.config import TokenConfig
from serve.signing import SigningKeys
from serve.threads import Threads
from storage.control import Principal
from storage.errors import BackupError

_ALGORITHM = "Ed25519"
_LONGEST = 4096
_LEEWAY_S = 5  # clocks of two machines differ


class TokenInvalid(BackupError):
    """The access token is missing, forged, foreign or expired. Get a new one."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "A valid access token is needed: get one from POST /api/v1/auth/token and send it as a Bearer token."


class AccessTokens:
    """Issues and verifies access tokens. Blocking where a key has to be read first."""

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

    @property
    def lifetime_s(self) -> int:
        """Seconds that a token is good for."""
        return self._config.access_s

    def issue(self, principal: Principal) -> str:
        """A token that speaks for somebody from now on."""
        key, now = self._keys.current(), int(self._now())
        claims: dict[str, Any] = {
            "iss": self._config.issuer,
            "aud": self._config.audience,
            "iat": now,
            "nbf": now,
            "exp": now + self._config.access_s,
            "sub": str(principal.user_id),
            "email": principal.email,
            "shard": principal.shard_id,
            "role": principal.role,
        }
        if principal.scopes is not None:
            claims["scope"] = " ".join(sorted(principal.scopes))
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
            raise TokenInvalid
        try:
            claims = jwt.decode(token, key, algorithms=[_ALGORITHM]).claims
            self._claims.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as exc:
            raise TokenInvalid from exc
        return claims


def principal_of(claims: dict[str, Any]) -> Principal:
    """Who verified claims speak for.

    Raises:
        TokenInvalid: they are signed, but not of this version of the service.
    """
    try:
        email, role, shard, scope = claims["email"], claims["role"], claims["shard"], claims.get("scope")
        if not (isinstance(email, str) and isinstance(role, str) and isinstance(shard, int)):
            raise TokenInvalid
        if not isinstance(scope, str | None):
            raise TokenInvalid
        return Principal(int(claims["sub"]), email, shard, role, None if scope is None else frozenset(scope.split()))
    except (KeyError, ValueError, TypeError) as exc:
        raise TokenInvalid from exc


#: Gives the claims of an access token, or raises TokenInvalid or DatabaseUnreachable.
Authenticate = Callable[[str], Awaitable[dict[str, Any]]]


def authenticator(tokens: AccessTokens, threads: Threads) -> Authenticate:
    """Verifies tokens; in a thread only where a signing key has to be read first."""

    async def authenticate(token: str) -> dict[str, Any]:
        if tokens.is_ready(token):
            return tokens.verify(token)
        return await threads.run(tokens.verify, token)

    return authenticate


def _kid(token: str) -> str:
    """The key id that a token claims, before anything is verified."""
    if len(token) > _LONGEST:
        raise TokenInvalid
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, KeyError) as exc:
        raise TokenInvalid from exc
    kid = header.get("kid")
    if header.get("alg") != _ALGORITHM or not isinstance(kid, str):
        raise TokenInvalid
    return kid
