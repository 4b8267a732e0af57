"""Pushes of watched mailboxes' changes, as Pub/Sub delivers them: signed, at least once, and sometimes not at all.

A push contains only the newest history id of a mailbox, so at most one push per mailbox is pending. A separate thread
delivers pushes: a slow subscriber does not delay the Gmail API.
"""

import logging
import random
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from cluster.simulator.config import SimulatorConfig
from cluster.simulator.mailbox import SimulatedMailbox

_LOG = logging.getLogger(__name__)

CERTIFICATES_PATH = "/certs"
_KEY_ID = "simulator"
_LOOK_EVERY_S, _TIMEOUT_S = 0.05, 10.0
#: Seconds before a push that was not acknowledged is delivered again: the pause doubles up to the second.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_SUBSCRIPTION = "projects/simulator/subscriptions/gmail"


class Pushes:
    """Delivers a push to the subscriber for each watched mailbox that changed."""

    def __init__(self, config: SimulatorConfig, mailboxes: Collection[SimulatedMailbox]) -> None:
        self._to, self._audience = config.push_to, config.push_audience or config.push_to
        self._account, self._loss_rate = config.push_service_account, config.push_loss_rate
        self._mailboxes, self._random = mailboxes, random.Random(config.seed)  # noqa: S311 - chance, no secret
        self.counts: Counter[str] = Counter()  # pushes by outcome: delivered, lost, refused
        self._delivered: dict[str, int] = {}  # mailbox -> history id of the last push, delivered or lost
        self._again: dict[str, tuple[float, float]] = {}  # mailbox -> not before, and the pause after that
        self._ended = threading.Event()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._signer = RSAKey.import_key(
            self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.certificates = orjson.dumps({_KEY_ID: self._certificate()})
        self._thread = threading.Thread(target=self._run, name="pushes", daemon=True)

    def start(self) -> None:
        """Start delivering."""
        self._thread.start()

    def close(self) -> None:
        """Stop; discard pushes that were not acknowledged."""
        self._ended.set()
        self._thread.join(_TIMEOUT_S + 1)

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            now = time.time()
            for mailbox in self._mailboxes:
                delivered = max(self._delivered.get(mailbox.email, 0), mailbox.watched_from)
                if mailbox.watched_until > now and delivered < mailbox.history_id:
                    self._push(mailbox, now)

    def _push(self, mailbox: SimulatedMailbox, now: float) -> None:
        not_before, pause_s = self._again.get(mailbox.email, (0.0, _FIRST_PAUSE_S))
        if now < not_before or self._ended.is_set():
            return
        history_id = mailbox.history_id
        if self._random.random() < self._loss_rate:
            self.counts["lost"] += 1
        elif self._deliver(mailbox.email, history_id, now):
            self.counts["delivered"] += 1
        else:
            self.counts["refused"] += 1
            self._again[mailbox.email] = now + pause_s, min(2 * pause_s, _LONGEST_PAUSE_S)
            return
        self._again.pop(mailbox.email, None)
        self._delivered[mailbox.email] = history_id

    def _deliver(self, email: str, history_id: int, now: float) -> bool:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token(now)}"}
        request = urllib.request.Request(self._to, envelope(email, history_id, now), headers)  # noqa: S310 - as configured
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                return bool(200 <= answer.status < 300)
        except (OSError, ValueError) as exc:
            _LOG.info("A push to %s was not acknowledged: %s", self._to, exc)
            return False

    def _token(self, now: float) -> str:
        claims = {
            "iss": "https://accounts.google.com",
            "aud": self._audience,
            "email": self._account,
            "email_verified": True,
            "iat": int(now),
            "exp": int(now) + 3600,
        }
        return jwt.encode({"alg": "RS256", "kid": _KEY_ID}, claims, self._signer, algorithms=["RS256"])

    def _certificate(self) -> str:
        name, now = x509.Name([]), datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), 1, now, now + timedelta(days=30))
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def envelope(email: str, history_id: int, now: float) -> bytes:
    """The body of a push.

    Source: developers.google.com/workspace/gmail/api/guides/push (read 2026-11).
    """
    data = b64encode(orjson.dumps({"emailAddress": email, "historyId": history_id})).decode()
    published_at = datetime.fromtimestamp(now, UTC).isoformat()
    message = {"data": data, "messageId": f"{email}:{history_id}", "publishTime": published_at}
    return orjson.dumps({"message": message, "subscription": _SUBSCRIPTION})
