"""A service account with domain-wide delegation: one key for every mailbox of a domain, for scopes that an admin chose.

The exchange is RFC 7523 (a signed assertion for an access token) over our own transport, as credentials.py does with
refresh tokens. Nothing here is logged, and nothing here prints a secret.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from jobs.gmail.config import GmailConfig, require_safe
from jobs.gmail.credentials import AccessToken, TokenRefused, exchange
from jobs.gmail.errors import CredentialsUnusable, DelegationMissing

MAIL_SCOPE = "https://www.googleapis.com/auth/gmail.readonly"
_GMAIL = "https://www.googleapis.com/auth/gmail."
#: What a restore needs, separated by spaces as in OAuth; and what putting labels on mail that is there needs as well.
RESTORE_SCOPES = f"{MAIL_SCOPE} {_GMAIL}insert {_GMAIL}labels"
RELABEL_SCOPES = f"{RESTORE_SCOPES} {_GMAIL}modify"
DIRECTORY_SCOPE = "https://www.googleapis.com/auth/admin.directory.user.readonly"

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_REQUIRED = ("client_email", "client_id", "private_key", "private_key_id")
_TEXT_MAX_CHARS = 8_192
_LIFETIME_S = 3_600  # Google's longest
_LEEWAY_S = 30  # our clock may be ahead of Google's


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What a service account's file holds. `token_uri` is empty when the file names none."""

    client_email: str
    client_id: str
    private_key: SecretStr
    key_id: str
    token_uri: str = ""

    @classmethod
    def parse(cls, content: bytes) -> "ServiceAccount":
        """The account from the content of its file.

        Raises:
            CredentialsUnusable: not JSON, another kind of Google file, or a field is missing.
            EndpointUnsafe: its `token_uri` is not an address to send an assertion to.
        """
        try:
            document: Any = orjson.loads(content)
        except orjson.JSONDecodeError as exc:
            raise CredentialsUnusable("it is not JSON") from exc
        if not isinstance(document, dict) or document.get("type") != "service_account":
            raise CredentialsUnusable('it is no service account\'s file (its "type" is not "service_account")')
        for name in _REQUIRED:
            value = document.get(name)
            if not isinstance(value, str) or not value or len(value) > _TEXT_MAX_CHARS:
                raise CredentialsUnusable(f"the field {name!r} is missing or not text")
        token_uri = document.get("token_uri") or ""
        if not isinstance(token_uri, str):
            raise CredentialsUnusable("the field 'token_uri' is not text")
        account = cls(
            client_email=document["client_email"],
            client_id=document["client_id"],
            private_key=SecretStr(document["private_key"]),
            key_id=document["private_key_id"],
            token_uri=require_safe(token_uri) if token_uri else "",
        )
        account._key()
        return account

    def assertion(self, subject: str, scope: str, audience: str, now: datetime) -> str:
        """A signed statement that we act for `subject`, good for an hour."""
        issued = int(now.timestamp()) - _LEEWAY_S
        claims = {
            "iss": self.client_email,
            "sub": subject,
            "scope": scope,
            "aud": audience,
            "iat": issued,
            "exp": issued + _LIFETIME_S,
        }
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": self.key_id}, claims, self._key(), algorithms=["RS256"])

    def _key(self) -> RSAKey:
        try:
            key = RSAKey.import_key(self.private_key.get_secret_value())
        except (JoseError, ValueError, TypeError) as exc:
            raise CredentialsUnusable("its private key is not an RSA key in PEM form") from exc
        if not key.is_private:
            raise CredentialsUnusable("its key is a public one")
        return key


def delegated_token(
    account: ServiceAccount, subject: str, scope: str, config: GmailConfig, now: datetime
) -> AccessToken:
    """An access token for one user's data. One request; the caller decides about repeating it.

    Raises:
        DelegationMissing: the domain's admin has not allowed this account the scope, or the user is not there.
        EndpointUnsafe, Throttled, GmailUnavailable, GmailRefused, AnswerUnreadable: as everywhere.
    """
    uri = config.token_address(account.token_uri)
    form = {"grant_type": _GRANT, "assertion": account.assertion(subject, scope, uri, now)}
    try:
        return exchange(form, uri, config, now)
    except TokenRefused as exc:
        if exc.code in ("unauthorized_client", "access_denied", "invalid_grant", "invalid_scope"):
            raise DelegationMissing(subject, account.client_id, scope) from exc
        raise exc.general() from exc
