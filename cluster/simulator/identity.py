"""ID tokens of the simulated Google (OpenID Connect Core, 2) and its public keys."""

from functools import cached_property
from typing import Final

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

PATH: Final = "/oauth2/v3/certs"
ISSUER: Final = "https://accounts.google.com"
_KID = "simulator-1"
_LIVES_S = 3600


class Identity:
    """Signs ID tokens with a key that is generated on first use."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id

    @cached_property
    def _key(self) -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": _KID, "use": "sig", "alg": "RS256"})

    @property
    def keys(self) -> bytes:
        """The set of public keys (RFC 7517)."""
        return orjson.dumps({"keys": [self._key.as_dict(private=False)]})

    def token(self, email: str, nonce: str, now: float) -> str:
        """An ID token of the user who signed in."""
        domain = email.rpartition("@")[2]
        claims = {
            "iss": ISSUER,
            "aud": self._client_id,
            "azp": self._client_id,
            "sub": str(int.from_bytes(email.encode()[:8], "big")),
            "email": email,
            "email_verified": True,
            "iat": int(now),
            "exp": int(now) + _LIVES_S,
            **({} if domain == "gmail.com" else {"hd": domain}),
            **({"nonce": nonce} if nonce else {}),
        }
        return jwt.encode({"alg": "RS256", "kid": _KID}, claims, self._key, algorithms=["RS256"])
