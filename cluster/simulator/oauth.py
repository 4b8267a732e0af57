"""Who may read which mailbox: consent, refresh tokens, delegated and other access tokens, revocation.

Refresh tokens follow from the seed and the address, so that accounts added to an archive outlive a restart of the
simulator; access tokens do not. No clock: the caller passes the time.
"""

import secrets
from collections import Counter
from hashlib import sha256

import orjson

from cluster.simulator.answers import Answer, GoogleError, ok
from cluster.simulator.consent import PATH, Consent
from cluster.simulator.identity import Identity
from cluster.simulator.workspace import DIRECTORY_SCOPE, Workspace

SCOPE = "https://mail.google.com/"
_READ_SCOPE = "https://www.googleapis.com/auth/gmail.readonly"
_AUTH = "https://www.googleapis.com/auth/gmail."
_MODIFY = frozenset((SCOPE, f"{_AUTH}modify"))
#: Scopes of which one is enough, by method. Source: the discovery document of Gmail's API.
_WRITING = {
    "messages.import": _MODIFY | {f"{_AUTH}insert"},
    "messages.insert": _MODIFY | {f"{_AUTH}insert"},
    "labels.create": _MODIFY | {f"{_AUTH}labels"},
    "labels.update": _MODIFY | {f"{_AUTH}labels"},
    "labels.delete": _MODIFY | {f"{_AUTH}labels"},
    "messages.modify": _MODIFY,
    "messages.batchModify": _MODIFY,
    "messages.trash": _MODIFY,
    "messages.untrash": _MODIFY,
    "messages.delete": frozenset((SCOPE,)),
    "messages.batchDelete": frozenset((SCOPE,)),
}
_DELEGATED = {_READ_SCOPE, SCOPE, DIRECTORY_SCOPE, f"{_AUTH}insert", f"{_AUTH}labels", f"{_AUTH}modify"}
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ID = "000000000000-simulator.apps.googleusercontent.com"


class TokenError(Exception):
    """A token request that ends in an OAuth error (RFC 6749, 5.2)."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(status, code, description)
        self.status, self.code, self.description = status, code, description

    def answer(self) -> Answer:
        body = orjson.dumps({"error": self.code, "error_description": self.description})
        return Answer(self.status, body)


class Grants:
    """The grants of all users and the access tokens issued on them."""

    def __init__(self, emails: list[str], seed: int, ttl_s: float) -> None:
        self.client_secret = f"GOCSPX-{_derived(seed, 'client')[:28]}"
        self._refresh = {email: f"1//sim-{_derived(seed, email)}" for email in emails}
        self._user_of = {token: email for email, token in self._refresh.items()}
        self._ttl_s = ttl_s
        self._access: dict[str, tuple[str, float]] = {}
        self._scope_of: dict[str, str] = {}  # access token -> what it was issued for, where that is not everything
        self._consents: dict[str, str] = {}  # user -> scopes of the last consent; without one: everything
        self._directory: dict[str, float] = {}  # tokens that read the directory instead of a mailbox
        self.workspace = Workspace(emails)
        self.consent = Consent(emails, CLIENT_ID)
        self.identity = Identity(CLIENT_ID)
        self._revoked: set[str] = set()
        self._refusals: Counter[str] = Counter()  # user -> times that a good grant is refused

    def refresh_token(self, email: str) -> str:
        return self._refresh[email]

    def authorized_user(self, email: str, url: str) -> dict[str, str]:
        """What google-auth reads as an authorized-user file."""
        return {
            "type": "authorized_user",
            "client_id": CLIENT_ID,
            "client_secret": self.client_secret,
            "refresh_token": self._refresh[email],
            "token_uri": f"{url}/token",
            "account": email,
        }

    def client(self, url: str) -> dict[str, dict[str, object]]:
        """The OAuth client's file, as Google's console gives it."""
        return {
            "installed": {
                "client_id": CLIENT_ID,
                "client_secret": self.client_secret,
                "auth_uri": f"{url}{PATH}",
                "token_uri": f"{url}/token",
                "redirect_uris": ["http://localhost"],
            }
        }

    def token(self, form: dict[str, list[str]], now: float) -> Answer:
        """Answer POST /token.

        Raises:
            TokenError: the request is wrong, the client unknown, or the grant revoked.
        """
        given = {name: values[-1] for name, values in form.items()}
        if given.get("grant_type") == _JWT_BEARER:
            return self._delegated(given.get("assertion", ""), now)
        if given.get("grant_type") not in ("refresh_token", "authorization_code"):
            raise TokenError(400, "unsupported_grant_type", f"Invalid grant_type: {given.get('grant_type', '')}")
        if given.get("client_id") != CLIENT_ID:
            raise TokenError(401, "invalid_client", "The OAuth client was not found.")
        if given.get("client_secret") != self.client_secret:
            raise TokenError(401, "invalid_client", "Unauthorized")
        if given["grant_type"] == "authorization_code":
            return self._consented(given, now)
        email = self._user_of.get(given.get("refresh_token", ""))
        if email is None:
            raise TokenError(400, "invalid_grant", "Bad Request")
        if self._refusals[email] > 0:
            self._refusals[email] -= 1
            raise TokenError(400, "invalid_grant", "Bad Request")
        if email in self._revoked:
            raise TokenError(400, "invalid_grant", "Token has been expired or revoked.")
        scope = self._consents.get(email, SCOPE)
        return ok(
            {
                "access_token": self._issue(email, now, scope),
                "expires_in": int(self._ttl_s),
                "scope": scope,
                "token_type": "Bearer",
            }
        )

    def _consented(self, given: dict[str, str], now: float) -> Answer:
        """The grant that an owner just gave: it works again if it was revoked before."""
        authorized = self.consent.exchange(given, now)
        if authorized is None:
            raise TokenError(400, "invalid_grant", "Malformed auth code.")
        email, scope, nonce = authorized
        answer = {
            "access_token": self._issue(email, now, scope),
            "expires_in": int(self._ttl_s),
            "scope": scope,
            "token_type": "Bearer",
        }
        if "openid" in scope.split():
            answer["id_token"] = self.identity.token(email, nonce, now)
        else:
            self.restore(email)
            self._consents[email] = scope
            answer["refresh_token"] = self._refresh[email]
        return ok(answer)

    def _delegated(self, assertion: str, now: float) -> Answer:
        """A token for whom a service account's assertion names (RFC 7523)."""
        authorized = self.workspace.subject(assertion, now)
        if authorized is None:
            raise TokenError(400, "invalid_grant", "Invalid JWT Signature.")
        email, scope = authorized
        if not self.workspace.delegated or not set(scope.split()) <= _DELEGATED:
            raise TokenError(401, "unauthorized_client", "Client is unauthorized to retrieve access tokens.")
        if email not in self._refresh or email in self._revoked or email in self.workspace.suspended:
            raise TokenError(400, "invalid_grant", "Invalid email or User ID")
        token = self._issue(email, now, scope)
        if scope == DIRECTORY_SCOPE:
            self._directory[token] = self._access.pop(token)[1]
        answer = {"access_token": token, "expires_in": int(self._ttl_s), "scope": scope, "token_type": "Bearer"}
        return ok(answer)

    def reads_directory(self, authorization: str, now: float) -> bool:
        """Whether an Authorization header speaks for an admin who lists the domain's users."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self._directory.get(token.strip(), 0.0) > now

    def user(self, authorization: str, now: float) -> str:
        """The address that an Authorization header speaks for.

        Raises:
            GoogleError: 401, there is none or it is unknown, expired or revoked.
        """
        scheme, _, token = authorization.partition(" ")
        known = self._access.get(token.strip()) if scheme.lower() == "bearer" else None
        if known is None or known[1] <= now or known[0] in self._revoked:
            raise GoogleError(
                401,
                "authError" if authorization else "required",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
                "or other valid authentication credential.",
            )
        return known[0]

    def require(self, authorization: str, method: str) -> None:
        """Whether a token's scopes are enough for a Gmail method that writes.

        Raises:
            GoogleError: 403.
        """
        scope = self._scope_of.get(authorization.partition(" ")[2].strip())
        allowed = _WRITING.get(method)
        if scope is not None and allowed is not None and set(scope.split()).isdisjoint(allowed):
            raise GoogleError(403, "insufficientPermissions", "Request had insufficient authentication scopes.")

    def revoke(self, email: str) -> None:
        self._revoked.add(email)

    def refuse(self, email: str, times: int) -> None:
        """Refuse a good grant so many times, as a server in trouble does. Its access tokens end."""
        self._refusals[email] = times
        self.expire_access(email)

    def revoke_token(self, token: str) -> bool:
        """Revoke the grant behind a refresh or access token; False if it is unknown."""
        email = self._user_of.get(token) or self._access.get(token, (None, 0))[0]
        if email is None:
            return False
        self.revoke(email)
        return True

    def restore(self, email: str) -> None:
        self._revoked.discard(email)

    def expire_access(self, email: str) -> None:
        """Every access token of this user becomes too old; the grant stays."""
        for token in [t for t, (owner, _) in self._access.items() if owner == email]:
            del self._access[token]

    def _issue(self, email: str, now: float, scope: str) -> str:
        for old in [t for t, (_, expires) in self._access.items() if expires <= now]:
            del self._access[old]
            self._scope_of.pop(old, None)
        token = f"ya29.sim-{secrets.token_urlsafe(24)}"
        self._access[token] = (email, now + self._ttl_s)
        if scope != SCOPE:
            self._scope_of[token] = scope
        return token


def _derived(seed: int, what: str) -> str:
    return sha256(f"gmail simulator {seed} {what}".encode()).hexdigest()[:40]
