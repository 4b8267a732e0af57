"""Sign-in codes: secrets for one sign-in, which travel in a link instead of a key.

A code is stored like a refresh token, by its SHA-256 and with an expiry, and begins a session of its own when it is
traded. It cannot be traded twice.
"""

import secrets
import uuid

from serve.auth import api_keys
from serve.auth.tokens import TokenStore
from storage.control.principal import Principal

#: Seconds that a code is good for.
LIVES_S = 900.0


def new_code(store: TokenStore, principal: Principal, key_id: str | None, lives_s: float = LIVES_S) -> str:
    """Create a code that signs in a principal. Blocking.

    Args:
        key_id: the API key with which the code and its session end; None: they end with no key.
        lives_s: seconds until the code expires.

    Raises:
        DatabaseUnreachable.
    """
    code = f"gbc_{secrets.token_urlsafe(32)}"
    store.save_refresh_token(api_keys.secret_hash(code), str(uuid.uuid4()), principal, key_id, lives_s)
    return code
