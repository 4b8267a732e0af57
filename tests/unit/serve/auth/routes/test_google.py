"""serve/auth/routes/google.py: which Google accounts an address is believed of."""

import time
from typing import Any, cast

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from jobs.gmail.config import GmailConfig
from serve.auth.errors import SignInFailed
from serve.auth.pubsub_auth import Certificates
from serve.auth.routes.google import GoogleSignIn, Identity
from serve.config import GoogleConfig
from tests.unit.serve.fakes import sealer

KEY = RSAKey.generate_key(2048, {"kid": "k"})


class Keys:
    """Google's public keys."""

    def get(self, key_id: str) -> dict[str, bytes]:
        return {"k": orjson.dumps(KEY.as_dict(private=False))}


def _verified(**claims: object) -> Identity:
    config = GoogleConfig(client_id="c", client_secret=SecretStr("s"), redirect_uri="https://x/")
    sign_in = GoogleSignIn(config, GmailConfig(), cast(Certificates, Keys()), sealer())
    now = int(time.time())
    base = {"iss": "https://accounts.google.com", "aud": "c", "iat": now, "exp": now + 60, "nonce": "n"}
    known: dict[str, Any] = {**base, "email_verified": True, "sub": "1234", **claims}
    token = jwt.encode({"alg": "RS256", "kid": "k"}, known, KEY, algorithms=["RS256"])
    return sign_in._verified(token, "n")


@pytest.mark.parametrize(
    ("email", "hosted"),
    [("ada@gmail.com", {}), ("Ada@GMail.com", {}), ("ada@corp.example", {"hd": "corp.example"})],
)
def test_google_vouches_for_its_own_addresses_and_those_of_domains_it_hosts(email: str, hosted: dict[str, str]) -> None:
    assert _verified(email=email, **hosted) == Identity(email.lower(), "1234")


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "ada@corp.example"},
        {"email": "ada@corp.example", "hd": "evil.example"},
        {"email": "ada@corp.example", "hd": ""},
        {"email": "ada@sub.corp.example", "hd": "corp.example"},
        {"email": "ada@corp.example", "hd": None},
        {"email": "ada@gmail.com", "sub": ""},
        {"email": "ada@gmail.com", "sub": None},
        {"email": "ada@gmail.com", "email_verified": False},
    ],
)
def test_no_other_address_is_believed(claims: dict[str, object]) -> None:
    with pytest.raises(SignInFailed):
        _verified(**claims)
