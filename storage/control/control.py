"""The control database as one object, for processes that use several of its stores."""

from storage.control.accounts import Accounts
from storage.control.api_keys import ApiKeys
from storage.control.credentials import Credentials
from storage.control.tokens import RefreshTokens, SigningKeyStore


class Control(Accounts, Credentials, ApiKeys, RefreshTokens, SigningKeyStore):
    """Every store of the control database over one engine."""
