"""What owners say of their messages is kept, decides over analysers, and is read as of any time."""

from datetime import timedelta

import pyarrow as pa
import pytest
from sqlalchemy import text

from storage.catalog.leases import MOVING, ShardMoving
from storage.db.engines import transaction
from storage.mailbox.corrections import judge
from storage.mailbox.lookups import locations
from storage.model.judgement import Judgement
from tests.integration.storage.factory import NOON, Mail, Shard

SPAM = Judgement(spam=True, by="user@example.com")


def said(shard: Shard, user: int, message_id: int, judgement: Judgement) -> Judgement | None:
    return judge(shard.engine, user, message_id, judgement)


def test_the_newest_word_counts_and_earlier_ones_stay_as_of_their_time(shard: Shard) -> None:
    user, reader = shard.user(), None
    shard.store(user, Mail(1))
    reader = shard.reader(user)
    before, version = reader.present(), reader.version()
    first = said(shard, user, 1, Judgement("work", "high", by="user@example.com"))
    assert first is not None
    assert first.at is not None
    assert reader.version() != version
    assert said(shard, user, 1, Judgement("work", "high", by="another")) == first, "a repetition records nothing"
    second = said(shard, user, 1, SPAM)
    last = said(shard, user, 1, Judgement())
    assert second is not None
    assert second.at is not None
    assert last is not None
    for as_of, expected in ((before, None), (first.at, first), (second.at, second), (last.at, None), (None, None)):
        email = reader.email(1, as_of)
        assert email is not None
        assert email.judgement == expected, as_of
    with transaction(shard.engine) as connection:
        count = "SELECT count(*) FROM label_events WHERE user_id = :user"
        assert connection.execute(text(count), {"user": user}).scalar() == 3
    assert reader.views.table("label_events", None, 1 << 20).num_rows == 0, "it is no label"


def test_only_own_messages_are_judged(shard: Shard) -> None:
    user, other = shard.user(), shard.user()
    shard.store(user, Mail(1))
    assert said(shard, other, 1, SPAM) is None
    assert said(shard, user, 2, SPAM) is None
    email = shard.reader(user).email(1)
    assert email is not None
    assert email.judgement is None


def test_a_word_counts_for_other_mail_of_the_address(shard: Shard) -> None:
    user = shard.user()
    mails = [
        Mail(n, sender=who, received_at=NOON + timedelta(hours=n))
        for n, who in ((1, "a@a.x"), (2, "a@a.x"), (3, "b@b.x"))
    ]
    shard.store(user, *mails)
    before = locations(shard.engine, [(user, 1)])[user, 1]
    assert said(shard, user, 2, Judgement("travel", spam=False, by="me")) is not None
    assert locations(shard.engine, [(user, 1)])[user, 1] != before, "documents in caches are not valid any more"
    reader = shard.reader(user)
    found = {}
    for number in (1, 2, 3):
        email = reader.email(number)
        assert email is not None
        assert email.acquaintance is not None
        found[number] = (email.acquaintance.sender_spam, email.acquaintance.sender_category)
    assert found == {1: (False, "travel"), 2: (False, "travel"), 3: (None, None)}
    rows = reader.views.table("acquaintances", None, 1 << 20).to_pylist()
    assert {int(row["message_id"], 16): (row["sender_spam"], row["sender_category"]) for row in rows} == found
    table: pa.Table = reader.views.table("corrections", None, 1 << 20)
    assert [(row["message_id"], row["category"], row["spam"], row["by"]) for row in table.to_pylist()] == [
        ("2", "travel", False, "me")
    ]


def test_a_shard_that_moves_takes_no_word(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1))
    with transaction(shard.engine) as connection:
        set_cluster = text("UPDATE leases SET cluster = :cluster WHERE shard_id = :shard")
        connection.execute(set_cluster, {"cluster": MOVING, "shard": shard.shard_id})
    with pytest.raises(ShardMoving):
        said(shard, user, 1, SPAM)
