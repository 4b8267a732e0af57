"""A mailbox owner's grant: read from an authorized-user file, exchanged for short-lived access tokens.

The refresh grant is one form over our own transport (RFC 6749, section 6). google-auth's
`Credentials.refresh` is not used: it waits and retries itself, asks a terminal for re-authentication,
and its file reader ignores the file's `token_uri`. Nothing here is logged, and nothing here prints a secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr

from jobs.gmail.answers import classify
from jobs.gmail.api import Call
from jobs.gmail.config import GmailConfig, require_safe
from jobs.gmail.errors import (
    AnswerUnreadable,
    CredentialsUnusable,
    GmailError,
    GmailRefused,
    GmailUnavailable,
    GrantRevoked,
)
from jobs.gmail.transport import Transport

_REQUIRED = ("client_id", "client_secret", "refresh_token")
_LIFETIME_DEFAULT_S = 3_600
_TEXT_MAX_CHARS = 8_192
_OAUTH_WORD = re.compile(r"[\w-]{1,60}")


@dataclass(frozen=True, slots=True)
class AuthorizedUser:
    """The content of an authorized-user file. `token_uri` is empty when the file names none."""

    email: str
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr
    token_uri: str = ""

    @classmethod
    def parse(cls, email: str, content: bytes) -> "AuthorizedUser":
        """The grant of `email` from the content of its file.

        Raises:
            CredentialsUnusable: not JSON, another kind of Google file, or a field is missing.
            EndpointUnsafe: its `token_uri` is not an address to send the grant to.
        """
        try:
            document: Any = orjson.loads(content)
        except orjson.JSONDecodeError as exc:
            raise CredentialsUnusable("it is not JSON") from exc
        if not isinstance(document, dict):
            raise CredentialsUnusable("it is not a JSON object")
        if "installed" in document or "web" in document:
            raise CredentialsUnusable('it is an OAuth client\'s file; use "gbm accounts login" with it')
        if document.get("type") == "service_account":
            raise CredentialsUnusable('it is a service account\'s; use "gbm accounts add-domain" with it')
        for name in _REQUIRED:
            value = document.get(name)
            if not isinstance(value, str) or not value or len(value) > _TEXT_MAX_CHARS:
                raise CredentialsUnusable(f"the field {name!r} is missing or not text")
        token_uri = document.get("token_uri") or ""
        if not isinstance(token_uri, str):
            raise CredentialsUnusable("the field 'token_uri' is not text")
        return cls(
            email=email,
            client_id=document["client_id"],
            client_secret=SecretStr(document["client_secret"]),
            refresh_token=SecretStr(document["refresh_token"]),
            token_uri=require_safe(token_uri) if token_uri else "",
        )


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and the moment (aware, UTC) from which Gmail may refuse it."""

    token: SecretStr
    expires_at: datetime


def refresh(credentials: AuthorizedUser, config: GmailConfig, now: datetime) -> AccessToken:
    """A new access token. One request; the caller decides about repeating it.

    Raises:
        GrantRevoked: the owner must give a new grant.
        EndpointUnsafe, Throttled, GmailUnavailable, GmailRefused, AnswerUnreadable: as everywhere.
    """
    form = {
        "grant_type": "refresh_token",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret.get_secret_value(),
        "refresh_token": credentials.refresh_token.get_secret_value(),
    }
    try:
        return exchange(form, config.token_address(credentials.token_uri), config, now)
    except TokenRefused as exc:
        if exc.code == "invalid_grant":
            raise GrantRevoked(credentials.email) from exc
        raise exc.general() from exc


class TokenRefused(Exception):
    """The token endpoint refused. `code`: OAuth's error code, "" when it gave none. For callers in this package."""

    def __init__(self, code: str, status: int, error: GmailError | None) -> None:
        super().__init__(code, status, error)
        self.code, self.status, self.error = code, status, error

    def general(self) -> GmailError:
        """The error if it does not depend on the grant. The response's text is not quoted: it may echo the form."""
        if self.error is not None:
            return self.error
        if self.code in ("internal_failure", "server_error", "temporarily_unavailable"):
            return GmailUnavailable(self.code)
        return GmailRefused(self.status, f"the token endpoint answered {self.code}")


def exchange(form: Mapping[str, str], uri: str, config: GmailConfig, now: datetime) -> AccessToken:
    """An access token for a grant (RFC 6749, section 4.5 and 6). One request; raises as `token_answer`."""
    return access_token(token_answer(form, uri, config, now), now)


def token_answer(form: Mapping[str, str], uri: str, config: GmailConfig, now: datetime) -> bytes | bytearray:
    """POST a form to the token endpoint and return its response. One request.

    Raises:
        TokenRefused: the endpoint refused.
        EndpointUnsafe, Throttled, GmailUnavailable, AnswerUnreadable: as everywhere.
    """
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    call = Call("POST", require_safe(uri), headers, urlencode(form).encode())
    transport = Transport(config)
    try:
        answer = transport.send(call, "")
    finally:
        transport.close()
    if answer.fault is not None:
        raise answer.fault
    if answer.status != 200:
        code = _oauth_code(answer.body)
        error = None if code else classify(answer.status, b"", answer.headers, now)
        raise TokenRefused(code, answer.status, error)
    return answer.body


def _oauth_code(body: bytes | bytearray) -> str:
    try:
        code = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return ""
    return code if isinstance(code, str) and _OAUTH_WORD.fullmatch(code) else ""


def access_token(body: bytes | bytearray, now: datetime) -> AccessToken:
    """The access token in a token endpoint's answer.

    Raises:
        AnswerUnreadable.
    """
    try:
        document = orjson.loads(body)
        token, lifetime_s = document["access_token"], int(document.get("expires_in", _LIFETIME_DEFAULT_S))
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise AnswerUnreadable("the token endpoint sent no access token") from exc
    printable = isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token
    if not printable or not token or len(token) > _TEXT_MAX_CHARS or not 0 < lifetime_s <= 10 * 86_400:
        raise AnswerUnreadable("the token endpoint sent an unusable access token")
    return AccessToken(SecretStr(token), now + timedelta(seconds=lifetime_s))
