"""Verifies that a push comes from our Pub/Sub subscription, by its OIDC token and Google's certificates.

Source: cloud.google.com/pubsub/docs/authenticate-push-subscriptions (read 2026-11).
"""

import re
import threading
import time
from collections.abc import Callable, Mapping

import orjson
from google.auth import exceptions as google_exceptions
from google.auth import jwt as google_jwt

from jobs.gmail.api import Call
from jobs.gmail.config import GmailConfig, require_safe
from jobs.gmail.transport import Transport
from serve.config import PushConfig
from storage.errors import BackupError

_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_TOKEN_MOST = 4096
_KEEP_S, _LONGEST_S, _AGAIN_S = 300.0, 6 * 3600.0, 60.0
_MAX_AGE = re.compile(r"max-age=(\d{1,7})")


class PushRefused(BackupError):
    """The push does not come from our subscription. Check its audience and service account."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "This push carries no valid token of our subscription: check its audience and service account."


class CertificatesUnavailable(BackupError):
    """Google's public certificates cannot be read, so no token can be verified. Try again shortly."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Google's certificates cannot be read ({self.reason}): try again shortly."


class Certificates:
    """Google's public certificates or keys by key id, kept for as long as Google allows. Blocks while they are read."""

    def __init__(self, url: str, gmail: GmailConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._gmail, self._clock = url, gmail, clock
        self._known: Mapping[str, str] = {}
        self._good_until = self._read_at = -_AGAIN_S
        self._lock = threading.Lock()

    def get(self, key_id: str) -> Mapping[str, str]:
        """All certificates, read again if they expired or lack this key (once a minute: key ids are untrusted).

        Raises:
            CertificatesUnavailable.
        """
        with self._lock:
            now = self._clock()
            lacking = key_id not in self._known and now >= self._read_at + _AGAIN_S
            if now >= self._good_until or lacking:
                self._known, age_s = self._read()
                self._good_until, self._read_at = now + min(max(age_s, _AGAIN_S), _LONGEST_S), now
            return self._known

    def _read(self) -> tuple[Mapping[str, str], float]:
        transport = Transport(self._gmail)
        try:
            answer = transport.send(Call("GET", require_safe(self._url)), "")
        finally:
            transport.close()
        if answer.fault is not None:
            raise CertificatesUnavailable(answer.fault.kind) from answer.fault
        try:
            document = orjson.loads(answer.body)
        except orjson.JSONDecodeError as exc:
            raise CertificatesUnavailable("no JSON") from exc
        if answer.status != 200 or not isinstance(document, dict) or not document:
            raise CertificatesUnavailable(f"status {answer.status}")
        age = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        return _by_id(document), float(age[1]) if age else _KEEP_S


def _by_id(document: dict[str, object]) -> dict[str, str]:
    """By key id a certificate, as oauth2/v1 has them; or a key's JSON, as a set of keys (RFC 7517) has them."""
    keys = document.get("keys")
    if isinstance(keys, list):
        return {str(key["kid"]): orjson.dumps(key).decode() for key in keys if isinstance(key, dict) and "kid" in key}
    return {str(key): str(text) for key, text in document.items()}


class Sender:
    """Tells whether a push comes from our subscription. Blocking."""

    def __init__(self, config: PushConfig, certificates: Certificates) -> None:
        self._config, self._certificates = config, certificates

    def check(self, authorization: str) -> None:
        """Return if the Authorization header carries our subscription's token.

        Raises:
            PushRefused, CertificatesUnavailable.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > _TOKEN_MOST:
            raise PushRefused
        try:
            key_id = google_jwt.decode_header(token).get("kid")
            certificates = self._certificates.get(str(key_id))
            claims = google_jwt.decode(token, certs=certificates, audience=self._config.audience)
        except (ValueError, TypeError, google_exceptions.GoogleAuthError) as exc:
            raise PushRefused from exc
        ours = claims.get("email") == self._config.service_account and claims.get("email_verified") is True
        if not ours or claims.get("iss") not in _ISSUERS:
            raise PushRefused
