"""The Google Workspace domain around the mailboxes: one service account that may act for its users, and the directory.

No clock: the caller passes the time. The key is made at first use, anew in every process.
"""

from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

DIRECTORY_SCOPE = "https://www.googleapis.com/auth/admin.directory.user.readonly"

_CLIENT_ID = "100000000000000000001"
_ADDRESS = "backup@simulator.iam.gserviceaccount.com"
_KEY_ID = "simulator-key"
_LONGEST_S = 3600
_LEEWAY_S = 60
_PAGE_MOST = 500


class Workspace:
    """Who is in the domain, and what its admin allows the service account."""

    def __init__(self, emails: list[str]) -> None:
        self._emails = emails
        self.suspended: set[str] = set()
        self.delegated = True

    @cached_property
    def _private_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def service_account(self, url: str) -> dict[str, str]:
        """The account's key file, as Google's console gives it."""
        pem = self._private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "client_email": _ADDRESS,
            "client_id": _CLIENT_ID,
            "private_key_id": _KEY_ID,
            "private_key": pem.decode(),
            "token_uri": f"{url}/token",
        }

    def subject(self, assertion: str, now: float) -> tuple[str, str] | None:
        """Who an assertion wants to act for, and with which scope; None when it is not a valid one of ours."""
        public = RSAKey.import_key(
            self._private_key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        try:
            claims = jwt.decode(assertion, public, algorithms=["RS256"]).claims
            issued, expires = int(claims["iat"]), int(claims["exp"])
            subject, scope, issuer = str(claims["sub"]), str(claims["scope"]), claims["iss"]
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        timely = issued - _LEEWAY_S <= now < expires <= issued + _LONGEST_S
        return (subject.lower(), scope) if timely and issuer == _ADDRESS else None

    def users(self, page_size: int, page_token: str) -> dict[str, Any]:
        """A page of the directory, by address."""
        emails = sorted(self._emails)
        start = int(page_token) if page_token.isdigit() else 0
        page = emails[start : start + max(min(page_size, _PAGE_MOST), 1)]
        document: dict[str, Any] = {
            "kind": "admin#directory#users",
            "users": [{"primaryEmail": email, "suspended": email in self.suspended} for email in page],
        }
        if start + len(page) < len(emails):
            document["nextPageToken"] = str(start + len(page))
        return document
