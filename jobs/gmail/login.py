"""A mailbox owner's consent in a browser: an authorization code, taken on a loopback address.

RFC 6749 (section 4.1), RFC 7636 (PKCE, S256) and RFC 8252 (native applications). Opens no browser and no port:
cluster/consent.py does. Nothing here is logged, and nothing here prints a secret.
"""

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson
from pydantic import SecretStr

from jobs.gmail.client import GmailClient
from jobs.gmail.config import GmailConfig, require_safe
from jobs.gmail.credentials import AuthorizedUser, TokenRefused, access_token, token_answer
from jobs.gmail.errors import ConsentMissing, CredentialsUnusable, WrongMailbox
from jobs.gmail.service_account import MAIL_SCOPE

GOOGLE_AUTH_URI = "https://accounts.google.com/o/oauth2/v2/auth"
_TEXT_MAX_CHARS = 2048


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """What Google's file of an OAuth client holds."""

    client_id: str
    client_secret: SecretStr
    auth_uri: str
    token_uri: str

    @classmethod
    def parse(cls, content: bytes) -> "OAuthClient":
        """The client from the content of its file.

        Raises:
            CredentialsUnusable: not JSON, another kind of Google file, or a field is missing.
            EndpointUnsafe: an address in it is not one to send a grant to.
        """
        try:
            document: Any = orjson.loads(content)
        except orjson.JSONDecodeError as exc:
            raise CredentialsUnusable("it is not JSON") from exc
        kinds = [document[kind] for kind in ("installed", "web") if kind in document] if _is_object(document) else []
        if len(kinds) != 1 or not _is_object(kinds[0]):
            raise CredentialsUnusable("it is not the file of an OAuth client: create one of the type Desktop app")
        fields: dict[str, str] = {}
        for name in ("client_id", "client_secret", "auth_uri", "token_uri"):
            value = kinds[0].get(name, "")
            if not isinstance(value, str) or len(value) > _TEXT_MAX_CHARS:
                raise CredentialsUnusable(f"the field {name!r} is not text")
            fields[name] = value
        if not fields["client_id"] or not fields["client_secret"]:
            raise CredentialsUnusable("it lacks 'client_id' or 'client_secret'")
        return cls(
            client_id=fields["client_id"],
            client_secret=SecretStr(fields["client_secret"]),
            auth_uri=require_safe(fields["auth_uri"] or GOOGLE_AUTH_URI),
            token_uri=require_safe(fields["token_uri"]) if fields["token_uri"] else "",
        )


class Login:
    """One attempt to get one owner's consent."""

    def __init__(
        self, client: OAuthClient, config: GmailConfig, email: str, redirect_uri: str, scope: str = MAIL_SCOPE
    ) -> None:
        """`redirect_uri`: an address of this machine's where the owner's browser is sent with the answer."""
        self._scope = scope
        self._client, self._config, self._email, self._redirect_uri = client, config, email, redirect_uri
        self._verifier = secrets.token_urlsafe(64)  # 86 characters; RFC 7636 allows 43 to 128
        self.state = secrets.token_urlsafe(32)

    @property
    def url(self) -> str:
        """The page where the owner consents."""
        challenge = urlsafe_b64encode(sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": self._client.client_id,
            "redirect_uri": self._redirect_uri,
            "response_type": "code",
            "scope": self._scope,
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",  # without it Google gives no refresh token the second time
            "login_hint": self._email,
        }
        return f"{self._client.auth_uri}?{urlencode(query)}"

    def finish(self, code: str, error: str, now: datetime) -> bytes:
        """Exchange the code that the browser brought, and see whose mailbox it opens.

        Args:
            code, error: as the redirect has them; "" when it has none.

        Returns:
            The content of an authorized-user file.

        Raises:
            ConsentMissing: the owner, or Google, said no; or the grant would not last.
            WrongMailbox: the consent is for another mailbox.
            And the errors of every call to Google.
        """
        if error or not code:
            raise ConsentMissing(self._email, error or "no code came back")
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client.client_id,
            "client_secret": self._client.client_secret.get_secret_value(),
            "code": code,
            "code_verifier": self._verifier,
            "redirect_uri": self._redirect_uri,
        }
        try:
            answer = token_answer(form, self._config.token_address(self._client.token_uri), self._config, now)
        except TokenRefused as exc:
            if exc.code == "invalid_grant":
                raise ConsentMissing(self._email, "the code is not valid, or not any more") from exc
            raise exc.general() from exc
        content = self._authorized_user(answer)
        self._check_mailbox(access_token(answer, now).token.get_secret_value())
        return content

    def _authorized_user(self, answer: bytes | bytearray) -> bytes:
        """The grant as a file."""
        document = orjson.loads(answer) if answer.lstrip().startswith(b"{") else {}
        if not isinstance(document.get("refresh_token"), str):
            raise ConsentMissing(self._email, "it came without a refresh token")
        content = orjson.dumps(
            {
                "type": "authorized_user",
                "client_id": self._client.client_id,
                "client_secret": self._client.client_secret.get_secret_value(),
                "refresh_token": document["refresh_token"],
                "token_uri": self._client.token_uri,
            }
        )
        AuthorizedUser.parse(self._email, content)
        return content

    def _check_mailbox(self, token: str) -> None:
        client = GmailClient(self._config)
        try:
            granted = client.profile(token).email
        finally:
            client.close()
        if granted.lower() != self._email.lower():
            raise WrongMailbox(self._email, granted)


def _is_object(document: object) -> bool:
    return isinstance(document, dict)
