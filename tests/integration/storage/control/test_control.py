"""Users dealt over shards, and secrets that stop working when they should."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from storage.control.accounts import UnknownUser
from storage.control.control import Control
from storage.control.principal import Principal
from storage.db.engines import Databases, transaction
from storage.model.records import User

_TABLES = (
    "webhook_deliveries, webhooks, restore_messages, restore_labels, restores, grants, campaign_mailboxes, campaigns, "
    "refresh_tokens, api_keys, signing_keys, credentials, users"
)


@pytest.fixture
def control(databases: Databases) -> Control:
    """A control database with four shards and nothing else."""
    with transaction(databases.control) as connection:
        connection.execute(text(f"TRUNCATE {_TABLES} RESTART IDENTITY"))
    return Control(databases.control)


def with_key(control: Control, key_id: str = "key", expires_at: datetime | None = None) -> User:
    user = control.add_user("ann@example.com")
    control.save_key(key_id, user.user_id, "owner", b"hash of the secret", expires_at)
    return user


def refresh_token(control: Control, token: bytes, key_id: str | None = "key", ttl_s: float = 60.0) -> Principal:
    user = control.user("ann@example.com")
    principal = Principal(user.user_id, user.email, user.shard_id, "owner")
    control.save_refresh_token(token, str(FAMILY), principal, key_id, ttl_s)
    return principal


FAMILY = uuid.UUID(int=7)


def test_users_are_dealt_to_the_least_loaded_shard(control: Control) -> None:
    added = [control.add_user(f"user{number}@example.com").shard_id for number in range(7)]

    assert added == [0, 1, 2, 3, 0, 1, 2]
    assert [user.email for user in control.users(2)] == ["user2@example.com", "user6@example.com"]
    assert len(control.users()) == 7


def test_a_known_user_keeps_its_id_and_shard_whatever_the_case_and_comes_back_when_removed(control: Control) -> None:
    control.add_user("first@example.com")
    user = control.add_user("Ann@Example.com")
    control.save_credentials(user.user_id, b"sealed")

    assert control.add_user("ANN@example.com") == user == control.user("aNN@example.com")
    control.remove_user(user.user_id)
    with pytest.raises(UnknownUser, match="ann@example"):
        control.user("ann@example.com")
    assert user not in control.users()
    assert control.add_user("ann@example.com") == user
    assert control.credentials(user.user_id) is None


def test_the_same_user_added_twice_at_once_is_one(control: Control) -> None:
    with ThreadPoolExecutor(4) as threads:
        users = set(threads.map(control.add_user, ["ann@example.com"] * 8))

    assert len(users) == 1
    assert control.users() == list(users)


def test_credentials_are_replaced(control: Control) -> None:
    user = control.add_user("ann@example.com")
    assert not control.has_secrets()
    control.save_credentials(user.user_id, b"old")
    control.save_credentials(user.user_id, b"new")

    assert control.credentials(user.user_id) == b"new"
    assert control.has_secrets()


def test_a_live_key_speaks_for_its_user(control: Control) -> None:
    user = with_key(control, expires_at=datetime.now(UTC) + timedelta(hours=1))

    principal = control.principal_of_key("key", b"hash of the secret")

    assert principal == Principal(user.user_id, user.email, user.shard_id, "owner")
    (key,) = control.keys(user.user_id)
    assert (key.key_id, key.email, key.revoked_at) == ("key", "ann@example.com", None)
    assert control.keys(user.user_id + 1) == []


def test_a_wrong_secret_or_key_speaks_for_nobody(control: Control) -> None:
    with_key(control)

    assert control.principal_of_key("key", b"hash of another") is None
    assert control.principal_of_key("other", b"hash of the secret") is None


def test_a_revoked_key_and_the_tokens_it_gave_are_worth_nothing(control: Control) -> None:
    with_key(control)
    refresh_token(control, b"token")

    assert control.revoke_key("key")
    assert not control.revoke_key("key")
    assert not control.revoke_key("unknown")
    assert control.principal_of_key("key", b"hash of the secret") is None
    assert control.use_refresh_token(b"token") is None


def test_a_token_saved_just_after_its_key_was_revoked_is_worth_nothing(control: Control) -> None:
    with_key(control)
    control.revoke_key("key")
    refresh_token(control, b"token")

    assert control.use_refresh_token(b"token") is None


def test_an_expired_key_and_the_tokens_it_gave_are_worth_nothing(control: Control) -> None:
    with_key(control, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    refresh_token(control, b"token")

    assert control.principal_of_key("key", b"hash of the secret") is None
    assert control.use_refresh_token(b"token") is None


def test_a_removed_user_can_use_neither_key_nor_token(control: Control) -> None:
    user = with_key(control)
    refresh_token(control, b"token")
    control.remove_user(user.user_id)

    assert control.principal_of_key("key", b"hash of the secret") is None
    assert control.use_refresh_token(b"token") is None


def test_a_refresh_token_is_good_once(control: Control) -> None:
    with_key(control)
    principal = refresh_token(control, b"first")

    assert control.use_refresh_token(b"first") == (principal, str(FAMILY), "key")
    refresh_token(control, b"second")
    assert control.use_refresh_token(b"second") == (principal, str(FAMILY), "key")


def test_a_refresh_token_used_again_ends_its_whole_family(control: Control) -> None:
    with_key(control)
    refresh_token(control, b"first")
    control.use_refresh_token(b"first")
    refresh_token(control, b"second")

    assert control.use_refresh_token(b"first") is None
    assert control.use_refresh_token(b"second") is None


def test_of_many_uses_at_once_one_succeeds(control: Control) -> None:
    with_key(control)
    refresh_token(control, b"token")

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(control.use_refresh_token, [b"token"] * 4))

    assert sum(answer is not None for answer in answers) == 1


def test_an_unknown_or_expired_token_harms_no_other(control: Control) -> None:
    with_key(control)
    refresh_token(control, b"good", key_id=None)
    refresh_token(control, b"late", ttl_s=-1)

    assert control.use_refresh_token(b"unknown") is None
    assert control.use_refresh_token(b"late") is None
    assert control.use_refresh_token(b"good") is not None


def test_of_several_first_signing_keys_one_wins(control: Control) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: control.add_first_signing_key(f"k{number}", b"sealed"), range(4)))

    assert len(control.signing_keys()) == 1
    assert control.has_secrets()
