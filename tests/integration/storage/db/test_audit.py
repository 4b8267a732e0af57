"""What is done to accounts and keys is in the audit log, exactly when it was done, and without a secret."""

import hashlib
import json

import pytest
from sqlalchemy import text

from storage.control.control import Control
from storage.db import audit
from storage.db.audit import Audit
from storage.db.engines import Databases, transaction


def last(databases: Databases) -> int:
    with transaction(databases.control) as connection:
        return int(connection.execute(text("SELECT coalesce(max(entry_id), 0) FROM audit")).scalar_one())


def test_accounts_and_keys_are_told_without_their_secrets(databases: Databases) -> None:
    before, control = last(databases), Control(databases.control, actor="ann")
    secret = hashlib.sha256(b"an API key").digest()

    user = control.add_user("audited@example.com")
    control.add_user("Audited@example.com")  # is there already: nothing was done
    control.save_credentials(user.user_id, b"hunter2 sealed")
    control.save_key("audited-key", user.user_id, "owner", secret, None)
    assert control.revoke_key("audited-key")
    assert not control.revoke_key("audited-key")
    control.remove_user(user.user_id)
    control.remove_user(0)

    entries = Audit(databases.control).entries(after=before)
    assert [(entry.actor, entry.action, entry.subject) for entry in entries] == [
        ("ann", "account.add", "audited@example.com"),
        ("ann", "account.grant", "audited@example.com"),
        ("ann", "key.create", "audited-key"),
        ("ann", "key.revoke", "audited-key"),
        ("ann", "account.remove", "audited@example.com"),
    ]
    told = json.dumps([entry.detail for entry in entries])
    assert "hunter2" not in told
    assert secret.hex() not in told
    assert Audit(databases.control).entries(after=before, limit=1) == entries[:1]
    assert Audit(databases.control).entries(after=entries[-1].entry_id) == []


def test_what_is_undone_is_not_told(databases: Databases) -> None:
    before = last(databases)
    with pytest.raises(KeyError), transaction(databases.control) as connection:
        audit.append(connection, "ann", "account.add", "nobody@example.com")
        raise KeyError
    assert Audit(databases.control).entries(after=before) == []


@pytest.mark.parametrize("value", [b"sealed", "x" * 201, ["list"]], ids=["bytes", "long", "list"])
def test_a_detail_is_short_and_plain(databases: Databases, value: object) -> None:
    with transaction(databases.control) as connection, pytest.raises(ValueError, match="must be a short text"):
        audit.append(connection, "ann", "account.add", "x", {"value": value})  # type: ignore[dict-item]
