"""Secrets and signatures of the Standard Webhooks specification: HMAC-SHA256 over id, timestamp and body.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md (read 2026-11).
"""

import base64
import hashlib
import hmac
import os

_PREFIX = "whsec_"
#: Bytes of a secret; the specification allows 24 to 64.
_BYTES = 32


def new_secret() -> str:
    """A new secret, `whsec_` and base64."""
    return _PREFIX + base64.b64encode(os.urandom(_BYTES)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`.

    Args:
        message_id: the header `webhook-id`: equal in every attempt.
        timestamp: the header `webhook-timestamp`: seconds since 1970, of the attempt.
    """
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
