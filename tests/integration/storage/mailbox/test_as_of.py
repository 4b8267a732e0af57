"""A mailbox as of any moment is what a plain fold of everything that was told by then makes of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from storage.config import ArchiveConfig
from storage.db.engines import transaction
from storage.fulltext.cache import cache_of
from storage.mailbox.search import SearchExecutor
from storage.mailbox.segment_files import MailFiles
from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.model.records import DELETED, LabelChange
from storage.model.results import PageCursor
from storage.model.time_range import LATEST
from storage.query.conditions import AnyOf, Condition, Labelled, LargerThan, Negated, all_of
from storage.query.plan import plan
from storage.reader import MailboxReader
from tests.integration.storage.factory import NOON, Mail, Shard

LABELS = ("INBOX", "UNREAD", "TRASH", "Label_1")
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Step:
    """One commit: messages with their labels and history id, and changes (message, label, on, history id)."""

    stored: dict[int, tuple[frozenset[str], int]]
    changes: tuple[tuple[int, str, bool, int], ...]


@dataclass(frozen=True)
class State:
    """What a message carries. seen: label -> history id of the last change that was told of it, after the fetch's."""

    labels: frozenset[str]
    history_id: int
    deleted_at: datetime | None = None
    seen: Mapping[str, int] = field(default_factory=dict)


Box = dict[int, State]

messages = st.integers(1, 4)
labels = st.frozensets(st.sampled_from(LABELS))
steps = st.lists(
    st.builds(
        Step,
        st.dictionaries(messages, st.tuples(labels, st.integers(1, 30)), max_size=2),
        st.lists(
            st.tuples(messages, st.sampled_from((*LABELS, DELETED)), st.booleans(), st.integers(1, 40)), max_size=8
        ).map(tuple),
    ),
    min_size=1,
    max_size=6,
)


def told(box: Box, step: Step, at: datetime) -> Box:
    """The mailbox after a commit, told one fact after the other: of a label, the highest history id decides."""
    after = {key: State(labels, history) for key, (labels, history) in step.stored.items() if key not in box} | box
    last = {(key, label, history): on for key, label, on, history in step.changes}
    for (key, label, history), on in sorted(last.items(), key=lambda change: change[0][2]):
        if key not in after or history <= after[key].seen.get(label, after[key].history_id):
            continue
        state = replace(after[key], seen={**after[key].seen, label: history})
        if label == DELETED:
            gone = state.deleted_at
            state = replace(state, deleted_at=(gone or at) if on else None)
        else:
            state = replace(state, labels=state.labels | {label} if on else state.labels - {label})
        after[key] = state
    return after


def shown(shard: Shard, user: int, as_of: datetime | None, *parts: Condition, with_deleted: bool = False) -> Box:
    """Every message that satisfies all the parts, in pages."""
    files = MailFiles(user, shard.engine, shard.blobs, cache_of(ArchiveConfig()))
    finder = SearchExecutor(user, shard.engine, files, as_of)
    found: Box = {}
    start = PageCursor(LATEST, 0)
    while rows := finder.find(plan(all_of(parts)), start, 3, with_deleted):
        found |= {row["message_id"]: State(frozenset(row["labels"]), 0, row["deleted_at"]) for row in rows}
        start = PageCursor(rows[-1]["received_at"], rows[-1]["message_id"])
    return found


def moment(reader: MailboxReader) -> datetime:
    """When the mailbox's last commit began."""
    state = reader.state()
    assert state is not None
    assert state.synced_at is not None
    return state.synced_at


def without_history(box: Box) -> Box:
    return {key: replace(state, history_id=0, seen={}) for key, state in box.items()}


@pytest.fixture(scope="module")
def shard(engine: Engine, archive_root: Path) -> Iterator[Shard]:
    yield Shard(engine, archive_root)


@settings(max_examples=40)
@given(steps)
@example([Step({1: (frozenset(), 5)}, ((1, "INBOX", True, 7), (1, "INBOX", False, 7), (1, DELETED, True, 9)))])
@example(
    [
        Step({1: (frozenset({"INBOX"}), 5)}, ((1, DELETED, True, 6),)),
        Step({}, ((1, DELETED, False, 7), (1, DELETED, True, 8))),
        Step({}, ((1, DELETED, False, 9), (1, "INBOX", True, 9))),
        Step({}, ((1, "INBOX", False, 10),)),
    ]
)
@example(  # records that come late: of a label without a newer change, and of labels with one
    [
        Step({1: (frozenset({"INBOX"}), 5)}, ((1, "TRASH", True, 20),)),
        Step({}, ((1, "INBOX", False, 9), (1, "TRASH", False, 12))),
        Step({}, ((1, "INBOX", True, 7), (1, DELETED, True, 8))),
        Step({}, ((1, "INBOX", True, 30), (1, DELETED, False, 11))),
    ]
)
@example(  # the newer change repeated the state, or two of one history id cancelled each other
    [
        Step(
            {1: (frozenset({"INBOX"}), 5)}, ((1, "INBOX", True, 20), (1, "UNREAD", False, 20), (1, DELETED, False, 20))
        ),
        Step({}, ((1, "INBOX", False, 9), (1, "UNREAD", True, 9), (1, DELETED, True, 9))),
        Step({}, ((1, "INBOX", False, 21), (1, "INBOX", False, 30))),
        Step({}, ((1, "INBOX", True, 25), (1, "UNREAD", True, 22))),
    ]
)
def test_a_mailbox_at_any_moment_is_the_fold_of_what_was_told_by_then(shard: Shard, steps: list[Step]) -> None:
    user = shard.user()
    reader = shard.reader(user)
    box: Box = {}
    history: list[tuple[datetime, Box]] = []
    for step in steps:
        new = {key: told for key, told in step.stored.items() if key not in box}
        mails = [
            Mail(key, labels=tuple(sorted(carried)), history_id=history_id, received_at=NOON + timedelta(days=key % 2))
            for key, (carried, history_id) in new.items()
        ]
        manifest, index = shard.write((user, mails)) if mails else (None, None)
        changes = [LabelChange(user, key, label, on, history_id) for key, label, on, history_id in step.changes]
        shard.catalog.commit(shard.plan([user], manifest, changes), index)
        at = moment(reader)
        box = told(box, step, at)
        history.append((at, without_history(box)))

    assert shown(shard, user, None, with_deleted=True) == history[-1][1]
    for (at, after), (_, before) in zip(history, [(None, {}), *history], strict=False):
        assert shown(shard, user, at, with_deleted=True) == after
        assert shown(shard, user, at - TICK, with_deleted=True) == before
        present = {key: state for key, state in after.items() if state.deleted_at is None}
        carrying = {key: state for key, state in present.items() if "INBOX" in state.labels}
        others = {key: state for key, state in present.items() if key not in carrying}
        inbox, large = Labelled("INBOX"), LargerThan(1_000_000)
        assert shown(shard, user, at, inbox) == carrying
        assert shown(shard, user, at, Negated(inbox)) == others
        assert shown(shard, user, at, AnyOf((Negated(inbox), large))) == others

    last_at, last = history[-1]
    for (since, before), (until, after) in [*pairwise(history), *((moment, history[-1]) for moment in history)]:
        items = reader.changes(since, until).items
        changed = [it for it in items if not it.added]
        told_of = {from_hex(it.id): (it.deleted, frozenset(it.put_on), frozenset(it.taken_off)) for it in changed}
        assert told_of == difference(before, after)
        assert {from_hex(it.id) for it in items if it.added} == after.keys() - before.keys()
    expected = difference(history[0][1], last)
    vanished = reader.changes(history[0][0], last_at, vanished=True).items
    assert {from_hex(it.id) for it in vanished if not it.added} == {
        key for key, (deleted, put_on, _) in expected.items() if deleted or "TRASH" in put_on
    }


def difference(before: Box, after: Box) -> dict[int, tuple[bool | None, frozenset[str], frozenset[str]]]:
    """What `Change` tells of messages that both moments have."""
    found: dict[int, tuple[bool | None, frozenset[str], frozenset[str]]] = {}
    for key in before.keys() & after.keys():
        old, new = before[key], after[key]
        flipped = (old.deleted_at is None) != (new.deleted_at is None)
        deleted = new.deleted_at is not None if flipped else None
        put_on, taken_off = new.labels - old.labels, old.labels - new.labels
        if flipped or put_on or taken_off:
            found[key] = deleted, put_on, taken_off
    return found


def test_the_reader_reads_at_any_moment(shard: Shard) -> None:
    user = shard.user()
    reader = shard.reader(user)
    shard.store(user, Mail(1), Mail(2, labels=("INBOX", "UNREAD"), subject="Second"))
    before = moment(reader)
    shard.change(user, (1, "TRASH", True), (2, DELETED, True), (2, "UNREAD", False))
    shard.store(user, Mail(3))

    assert [mail.id for mail in reader.emails().items] == ["3"]
    assert [mail.id for mail in reader.emails(MailQuery(as_of=before)).items] == ["2", "1"]
    assert [mail.id for mail in reader.emails(MailQuery("is:unread second", as_of=before)).items] == ["2"]
    assert [mail.id for mail in reader.emails(MailQuery(labels=("TRASH",), as_of=before)).items] == []
    assert reader.emails(MailQuery(as_of=before - TICK)).items == ()
    then, now = reader.email(2, before), reader.email(2)
    assert then is not None
    assert now is not None
    assert (then.summary.labels, then.summary.deleted_at) == (("INBOX", "UNREAD"), None)
    assert now.summary.labels == ("INBOX",)
    assert now.summary.deleted_at is not None
    assert reader.email(3, before) is None


def test_ages_in_a_search_count_from_its_moment(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1, received_at=datetime.now(UTC) - timedelta(hours=1)))
    reader = shard.reader(user)
    later = datetime.now(UTC) + timedelta(days=5)

    assert [len(reader.emails(MailQuery("newer_than:2d", as_of=at)).items) for at in (None, later)] == [1, 0]


def test_what_a_reconciliation_mends_under_the_history_id_of_an_event_is_undone_as_well(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, Mail(1, labels=("INBOX",), history_id=5))
    reader, moments = shard.reader(user), [moment(shard.reader(user))]
    for on, mends in ((False, False), (True, True), (True, False), (False, True)):
        change = LabelChange(user, 1, "INBOX", on, 20, mends)
        shard.catalog.commit(shard.plan([user], changes=[change]))
        moments.append(moment(reader))

    states = [shown(shard, user, at, Labelled("INBOX")).keys() for at in moments]
    assert states == [{1}, set(), {1}, {1}, set()]
    for number, since in enumerate(moments):
        for after, until in zip(states[number:], moments[number:], strict=True):
            items = reader.changes(since, until).items
            told = [(it.put_on, it.taken_off) for it in items]
            assert told == ([] if after == states[number] else [(("INBOX",), ()) if after else ((), ("INBOX",))])


def test_events_of_a_label_alternate_in_the_order_of_history_and_of_time(shard: Shard) -> None:
    """After whatever the property above has told."""
    with transaction(shard.engine) as connection:
        wrong = connection.execute(
            text(
                """
                SELECT count(*)
                FROM (
                    SELECT is_on, observed_at, history_id, lag(is_on) OVER told AS was_on,
                        lag(observed_at) OVER told AS before_at, lag(history_id) OVER told AS before_id
                    FROM label_events
                    JOIN mailboxes USING (user_id)
                    WHERE shard_id = :shard_id
                    WINDOW told AS (
                        PARTITION BY user_id, message_id, label_id ORDER BY history_id, observed_at
                    )
                ) AS events
                WHERE is_on = was_on OR observed_at < before_at OR (history_id, observed_at) = (before_id, before_at)
                """
            ),
            {"shard_id": shard.shard_id},
        ).scalar()

    assert wrong == 0


def test_changes_are_paged_and_tell_what_a_message_is(shard: Shard) -> None:
    user = shard.user()
    shard.store(user, *(Mail(number, subject=f"Mail {number}") for number in range(1, 4)))
    reader = shard.reader(user)
    since = moment(reader)
    shard.change(user, (1, DELETED, True), (2, "TRASH", True), (2, "INBOX", False), (3, "STARRED", True))
    shard.store(user, Mail(4, labels=("TRASH",)))
    until = moment(reader)

    pages, after = [], None
    while True:
        page = reader.changes(since, until, limit=2, after=after)
        pages.append([(it.subject, it.added, it.deleted, it.put_on, it.taken_off) for it in page.items])
        if page.next is None:
            break
        after = page.next

    assert pages == [
        [("Hello", True, None, (), ()), ("Mail 3", False, None, ("STARRED",), ())],
        [("Mail 2", False, None, ("TRASH",), ("INBOX",)), ("Mail 1", False, True, (), ())],
    ]
    assert [it.id for it in reader.changes(since, until, vanished=True).items] == ["2", "1"]
    assert reader.changes(until, until).items == reader.changes(until, since).items == ()
    assert shard.reader(shard.user()).changes(since, until).items == ()
