"""Listings against what is stored: the changes that Gmail's forgotten history would have told."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from actors.listing import Listed, Listing
from actors.reconcile import Differences, differences
from storage.model.labels import LabelState, fold
from storage.model.records import LabelChange, StoredLabels

_LABELS = ("INBOX", "UNREAD", "Label_1")


def stored(messages: dict[int, tuple[frozenset[str], bool]]) -> StoredLabels:
    """As `Catalog.stored_labels` gives it; {id: (labels, deleted)}."""
    rows: dict[str, array[int]] = {}
    for row, (labels, _) in enumerate(messages.values()):
        for label in labels:
            rows.setdefault(label, array("q")).append(row)
    return StoredLabels(array("q", messages), [deleted for _, deleted in messages.values()], rows)


def relisted(messages: dict[int, frozenset[str]]) -> Listed:
    """As Gmail lists them."""
    carrying = {label: array("q", (key for key, labels in messages.items() if label in labels)) for label in _LABELS}
    return Listed(array("q", messages), carrying)


def test_labels_and_deletions_that_nobody_told_of_are_found() -> None:
    before = stored({1: (frozenset({"INBOX"}), False), 2: (frozenset(), False), 3: (frozenset({"INBOX"}), False)})
    now = relisted({1: frozenset({"UNREAD"}), 3: frozenset({"INBOX"}), 4: frozenset({"INBOX"})})

    changes = (LabelChange(7, 1, "INBOX", False, 500, mends=True), LabelChange(7, 1, "UNREAD", True, 500, mends=True))
    assert differences(7, 500, now, before) == Differences(changes, (2,), (), 3)


def test_a_message_that_is_listed_though_it_counts_as_deleted_is_found() -> None:
    before = stored({1: (frozenset(), True), 2: (frozenset(), True)})

    assert differences(7, 500, relisted({2: frozenset()}), before) == Differences((), (), (2,), 0)


def test_of_a_label_that_nothing_agreed_with_nothing_is_concluded() -> None:
    before = stored({1: (frozenset({"Label_9"}), False)})
    now = Listed(array("q", [1]), {}, frozenset({"Label_9"}))

    assert differences(7, 500, now, before).changes == ()


def test_a_label_whose_listing_has_an_unreadable_id_is_taken_off_no_message() -> None:
    before = stored({1: (frozenset({"INBOX"}), False), 2: (frozenset(), False)})
    listing = Listing()
    listing.begin(5, 2, ["INBOX"])
    listing.add([1, 2])
    assert listing.agrees(2) and listing.next_label()
    listing.add([2], unreadable=1)
    assert listing.agrees(2) and not listing.next_label()

    found = differences(7, 500, listing.result(), before).changes

    assert found == (LabelChange(7, 2, "INBOX", True, 500, mends=True),)


def test_a_label_that_gmail_has_no_longer_is_on_no_message() -> None:
    before = stored({1: (frozenset({"Label_9"}), False)})

    change = LabelChange(7, 1, "Label_9", False, 500, mends=True)
    assert differences(7, 500, relisted({1: frozenset()}), before).changes == (change,)


def test_an_empty_mailbox_and_an_empty_archive_differ_in_nothing() -> None:
    assert differences(7, 500, relisted({}), stored({})) == Differences((), (), (), 0)


_SETS = st.frozensets(st.sampled_from(_LABELS))


@given(st.dictionaries(st.integers(1, 40), st.tuples(_SETS, st.booleans())), st.dictionaries(st.integers(1, 40), _SETS))
def test_folding_the_differences_gives_what_was_listed(
    before: dict[int, tuple[frozenset[str], bool]], now: dict[int, frozenset[str]]
) -> None:
    found = differences(7, 500, relisted(now), stored(before))
    changes = found.changes
    for message_id, (labels, deleted) in before.items():
        own = [change for change in changes if change.message_id == message_id]
        state, _ = fold(LabelState(labels, 499, deleted), own)
        assert (message_id in found.absent) == (message_id not in now and not deleted)
        assert (message_id in found.returned) == (message_id in now and deleted)
        if message_id in now:
            assert state.labels == now[message_id]
    assert len({(change.message_id, change.label_id) for change in changes}) == len(changes)
