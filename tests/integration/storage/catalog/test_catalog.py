"""The one transaction that makes mail visible: whole or not at all, once, and only by the owner."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from storage.catalog import catalog as catalog_module
from storage.catalog.catalog import AlreadyStored, Catalog, ping
from storage.catalog.leases import LeaseLost
from storage.db.engines import DatabaseUnreachable
from storage.model.mail_query import MailQuery
from storage.model.records import DELETED, FailedItem, LabelChange, MailboxRecord, Phase
from tests.integration.storage.factory import NOON, Mail, Shard, under


def facts(engine: Engine, shard: Shard, user_id: int) -> dict[str, Any]:
    """Everything that a commit can touch for a shard and a user."""
    questions = {
        "messages": "SELECT message_id, labels, history_id, deleted_at IS NOT NULL FROM messages"
        " WHERE user_id = :u ORDER BY message_id",
        "segments": "SELECT name FROM segments WHERE shard_id = :s",
        "users": "SELECT messages, size_bytes FROM segment_users WHERE user_id = :u",
        "events": "SELECT message_id, label_id, is_on FROM label_events WHERE user_id = :u ORDER BY history_id",
        "failed": "SELECT message_id, attempts, error FROM failed_items WHERE user_id = :u ORDER BY 1",
        "outbox": "SELECT type, data FROM outbox WHERE user_id = :u ORDER BY position",
        "mailbox": "SELECT phase, cursor, messages, size_bytes, units FROM mailboxes WHERE user_id = :u",
    }
    with engine.begin() as connection:
        values = {"u": user_id, "s": shard.shard_id}
        return {
            name: [tuple(row) for row in connection.execute(text(question), values)]
            for name, question in questions.items()
        }


def failure(user_id: int, message_id: int, attempts: int = 1) -> FailedItem:
    return FailedItem(user_id, message_id, attempts, f"attempt {attempts} failed", NOON)


def test_a_commit_makes_everything_visible(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    mails = [Mail(1), Mail(2, text="x" * 500)]
    manifest, index = shard.write((ann, mails), (bob, [Mail(1)]))
    changes = [LabelChange(ann, 1, "STARRED", True, 12)]

    assert shard.catalog.commit(shard.plan([ann, bob], manifest, changes, [failure(ann, 9)]), index)

    found = facts(shard.engine, shard, ann)
    size = sum(len(mail.raw) for mail in mails)
    assert found["messages"] == [(1, ["INBOX", "STARRED"], 12, False), (2, ["INBOX"], 10, False)]
    assert found["segments"] == [(manifest.name,)]
    assert found["users"] == [(2, size)]
    assert found["events"] == [(1, "STARRED", True)]
    assert found["failed"] == [(9, 1, "attempt 1 failed")]
    assert [kind for kind, _ in found["outbox"]] == [
        "email.received",
        "email.relabelled",
        "analytics.update_required",
        "email.sync.completed",
    ]
    assert found["outbox"][0][1] == {"segment": manifest.name, "ids": ["1", "2"]}
    assert found["outbox"][1][1] == {"changes": [{"id": "1", "added": ["STARRED"], "removed": []}]}
    assert found["mailbox"] == [("current", 20, 2, size, 3)]
    assert facts(shard.engine, shard, bob)["mailbox"] == [("current", 20, 1, len(Mail(1).raw), 3)]
    assert shard.catalog.segment_names(shard.shard_id) == {manifest.name}


def test_a_repeated_commit_of_a_segment_changes_nothing(shard: Shard) -> None:
    user = shard.user()
    manifest, index = shard.write((user, [Mail(1)]))
    plan = shard.plan([user], manifest, [LabelChange(user, 1, "A", True, 12)], [failure(user, 9)])
    assert shard.catalog.commit(plan, index)
    before = facts(shard.engine, shard, user)

    assert shard.catalog.commit(plan, index) is False
    assert facts(shard.engine, shard, user) == before


def test_a_repeated_commit_without_a_segment_counts_no_units_twice(shard: Shard) -> None:
    ann = shard.user()
    plan = shard.plan([ann])
    plan = replace(plan, mailboxes=tuple(replace(update, units=7) for update in plan.mailboxes))

    for _ in range(2):
        shard.catalog.commit(plan)

    assert [row[-1] for row in facts(shard.engine, shard, ann)["mailbox"]] == [7]


def test_mail_that_is_stored_already_is_named_exactly_and_nothing_is_committed(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    shard.store(ann, Mail(1), Mail(2))
    before = [facts(shard.engine, shard, user) for user in (ann, bob)]
    manifest, index = shard.write((ann, [Mail(2), Mail(3)]), (bob, [Mail(1), Mail(2)]))

    with pytest.raises(AlreadyStored) as refused:
        shard.catalog.commit(shard.plan([ann, bob], manifest, failed=[failure(bob, 7)]), index)

    assert refused.value.keys == {(ann, 2)}
    assert [facts(shard.engine, shard, user) for user in (ann, bob)] == before


def test_a_message_twice_in_one_segment_is_a_defect_and_not_stored_mail(shard: Shard) -> None:
    user = shard.user()
    manifest, index = shard.write((user, [Mail(1), Mail(1)]))

    with pytest.raises(IntegrityError):
        shard.catalog.commit(shard.plan([user], manifest), index)
    assert facts(shard.engine, shard, user)["messages"] == []


def test_a_segment_needs_its_index_and_an_update_of_every_mailbox(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    manifest, index = shard.write((ann, [Mail(1)]), (bob, [Mail(1)]))

    with pytest.raises(ValueError, match="index"):
        shard.catalog.commit(shard.plan([ann, bob], manifest), index.slice(1))
    with pytest.raises(ValueError, match=str(bob)):
        shard.catalog.commit(shard.plan([ann], manifest), index)
    assert facts(shard.engine, shard, ann)["segments"] == []


def test_label_changes_are_folded_once_however_often_they_are_told(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(2))
    told = [(1, "STARRED", True), (1, "INBOX", False), (2, DELETED, True), (99, "STARRED", True)]

    for _ in range(3):
        shard.change(user, *told)

    found = facts(shard.engine, shard, user)
    assert found["messages"] == [(1, ["STARRED"], 15, False), (2, ["INBOX"], 15, True)]
    assert sorted(found["events"]) == [(1, "INBOX", False), (1, "STARRED", True), (2, DELETED, True)]


def test_a_change_older_than_the_fetched_message_is_dropped(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1, history_id=30))

    shard.change(user, (1, "INBOX", False), history_id=29)

    assert facts(shard.engine, shard, user)["messages"] == [(1, ["INBOX"], 30, False)]


def test_a_message_without_labels_stays_readable_and_can_be_labelled(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1), Mail(2, labels=()))

    shard.change(user, (1, "INBOX", False))
    assert [row[1] for row in facts(shard.engine, shard, user)["messages"]] == [[], []]
    shard.change(user, (1, "A b,{}", True), (2, 'q"', True), history_id=16)

    assert [row[1] for row in facts(shard.engine, shard, user)["messages"]] == [["A b,{}"], ['q"']]


def test_failed_items_are_filed_refiled_and_settled(shard: Shard) -> None:
    user = shard.user()
    shard.catalog.commit(shard.plan([user], failed=[failure(user, 1), failure(user, 2)]))
    shard.catalog.commit(shard.plan([user], failed=[failure(user, 1, attempts=2)]))

    assert shard.catalog.failed(shard.shard_id) == [failure(user, 1, 2), failure(user, 2)]

    shard.catalog.commit(shard.plan([user], settled=[(user, 1), (user, 3)]))

    assert shard.catalog.failed(shard.shard_id) == [failure(user, 2)]


def test_a_mailbox_keeps_its_state_when_it_is_opened_again(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1))

    record = shard.catalog.open_mailbox(shard.shard_id, user, "ignored@example.com")

    assert isinstance(record, MailboxRecord)
    assert (record.phase, record.cursor, record.messages) == (Phase.CURRENT, 20, 1)
    assert shard.catalog.mailboxes(shard.shard_id) == [record]


def test_a_revoked_mailbox_is_told_and_in_order_again_once_reopened(shard: Shard) -> None:
    user = shard.user()
    plan = shard.plan([user])
    revoked = replace(plan.mailboxes[0], phase=Phase.REVOKED, error="the grant was withdrawn", synced=False)
    shard.catalog.commit(replace(plan, mailboxes=(revoked,)))

    told = facts(shard.engine, shard, user)["outbox"]
    record = shard.catalog.open_mailbox(shard.shard_id, user, "x@example.com")

    assert told == [
        ("email.sync.failed", {"error": "the grant was withdrawn", "revoked": True}),
        ("account.revoked", {"error": "the grant was withdrawn"}),
    ]
    assert (record.phase, record.error) == (Phase.CURRENT, None)


def test_unknown_messages_are_told_in_the_order_given(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(2))

    assert shard.catalog.unknown(user, [3, 2, -1]) == [3, -1]
    assert shard.catalog.unknown(user, []) == []
    assert shard.catalog.unknown(shard.user(), [2]) == [2]


@pytest.mark.parametrize("stale", [0, 2])
def test_a_commit_under_another_epoch_changes_nothing(shard: Shard, stale: int) -> None:
    user = shard.user()
    manifest, index = shard.write((user, [Mail(1)]))
    before = facts(shard.engine, shard, user)

    with pytest.raises(LeaseLost):
        shard.catalog.commit(under(shard.plan([user], manifest, failed=[failure(user, 1)]), stale), index)
    with pytest.raises(LeaseLost):
        shard.catalog.commit(replace(shard.plan([user], manifest), owner="somebody else"), index)

    assert facts(shard.engine, shard, user) == before


@contextmanager
def killed_after(engine: Engine, monkeypatch: pytest.MonkeyPatch, step: str) -> Iterator[None]:
    """Terminate the committing connection from another one, just before a step of the commit."""
    real = getattr(catalog_module, step)

    def kill_and_go_on(connection: Any, *arguments: Any) -> Any:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        with psycopg.connect(engine.url.set(drivername="postgresql").render_as_string(hide_password=False)) as other:
            assert other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (True,)
        return real(connection, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(catalog_module, step, kill_and_go_on)
        yield


@pytest.mark.parametrize("step", ["record_segment", "copy_index", "fold_changes", "_update_mailboxes", "publish"])
def test_a_connection_lost_at_any_step_leaves_nothing_and_the_commit_can_be_repeated(
    shard: Shard, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    user = shard.user()
    manifest, index = shard.write((user, [Mail(1)]))
    plan = shard.plan([user], manifest, [LabelChange(user, 1, "A", True, 12)], [failure(user, 9)])
    before = facts(shard.engine, shard, user)

    with killed_after(shard.engine, monkeypatch, step), pytest.raises(DatabaseUnreachable):
        shard.catalog.commit(plan, index)

    assert facts(shard.engine, shard, user) == before
    assert shard.catalog.commit(plan, index)


def test_a_reader_sees_nothing_of_a_commit_under_way(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    user = shard.user()
    manifest, index = shard.write((user, [Mail(1)]))
    reached, go_on = threading.Event(), threading.Event()
    real = catalog_module.publish

    def wait(*arguments: Any) -> None:
        real(*arguments)
        reached.set()
        assert go_on.wait(20)

    monkeypatch.setattr(catalog_module, "publish", wait)
    thread = threading.Thread(target=shard.catalog.commit, args=(shard.plan([user], manifest), index))
    thread.start()
    try:
        assert reached.wait(20)
        assert shard.reader(user).emails().items == ()
        assert shard.reader(user).emails(MailQuery("morning")).items == ()
        assert shard.reader(user).raw(1) is None
    finally:
        go_on.set()
        thread.join(20)
    assert [mail.id for mail in shard.reader(user).emails(MailQuery("morning")).items] == ["1"]


def test_labels_are_kept_as_gmail_names_them_now(shard: Shard) -> None:
    user = shard.user()
    shard.catalog.save_labels(user, [("INBOX", "INBOX", "system"), ("Label_1", "Old", "user")])
    shard.catalog.save_labels(user, [("Label_1", "New", "user")])
    shard.catalog.save_labels(user, [])

    assert [(label.id, label.name) for label in shard.reader(user).labels()] == [("INBOX", "INBOX"), ("Label_1", "New")]


def test_a_live_database_answers_a_ping(engine: Engine) -> None:
    ping(Catalog(engine).engine)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
