"""The fold of label changes: the order of Gmail's history decides, whatever the order of arrival."""

from dataclasses import replace
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from storage.model.labels import LabelState, fold
from storage.model.records import DELETED, LabelChange

INBOX = LabelState(frozenset({"INBOX"}), 10, False)


def change(label_id: str, on: bool, history_id: int) -> LabelChange:
    return LabelChange(1, 2, label_id, on, history_id)


def test_changes_apply_in_the_order_of_their_history_ids() -> None:
    changes = [change("STARRED", False, 13), change("STARRED", True, 12), change("INBOX", False, 11)]

    state, applied = fold(INBOX, changes)

    assert state == LabelState(frozenset(), 13, False)
    assert applied == [changes[2], changes[1], changes[0]]


def test_changes_of_one_history_id_keep_the_order_they_came_in() -> None:
    state, _ = fold(INBOX, [change("A", True, 11), change("A", False, 11), change("B", True, 11)])

    assert state.labels == {"INBOX", "B"}


def test_a_change_to_the_current_state_is_no_event_but_advances_the_history_id() -> None:
    state, applied = fold(INBOX, [change("INBOX", True, 12), change("A", False, 13), change(DELETED, False, 14)])

    confirmed = {"INBOX": 12, "A": 13, DELETED: 14}
    assert (state, applied) == (LabelState(frozenset({"INBOX"}), 14, False, confirmed=confirmed), [])


def test_changes_of_one_history_id_that_cancel_each_other_are_no_events() -> None:
    changes = [change("A", True, 11), change("INBOX", False, 11), change("A", False, 11), change("A", True, 12)]

    state, applied = fold(INBOX, changes)

    assert (state, applied) == (LabelState(frozenset({"A"}), 12, False), [changes[1], changes[3]])


def test_a_change_older_than_the_message_is_no_news() -> None:
    assert fold(INBOX, [change("INBOX", False, 9), change("INBOX", False, 10)]) == (INBOX, [])


def test_repeating_changes_has_no_effect() -> None:
    changes = [change("STARRED", True, 11), change("INBOX", False, 12)]
    once, _ = fold(INBOX, changes)

    assert fold(once, changes) == (once, [])


def test_a_deletion_leaves_the_labels_and_can_be_taken_back() -> None:
    deleted, _ = fold(INBOX, [change(DELETED, True, 11)])
    back, _ = fold(deleted, [change(DELETED, False, 12)])

    assert deleted == LabelState(frozenset({"INBOX"}), 11, True)
    assert back == LabelState(frozenset({"INBOX"}), 12, False)


CHANGES = st.lists(
    st.builds(change, st.sampled_from(["INBOX", "A", "B", DELETED]), st.booleans(), st.integers(8, 30)), max_size=20
).map(lambda changes: sorted(changes, key=lambda change: change.history_id))


@given(CHANGES, st.sets(st.integers(8, 30)))
def test_folding_in_any_batches_gives_the_same_state_and_events(changes: list[LabelChange], cuts: set[int]) -> None:
    whole, events = fold(INBOX, changes)

    state, applied = INBOX, []
    for _, batch in groupby(changes, key=lambda change: sum(cut <= change.history_id for cut in cuts)):
        state, news = fold(state, list(batch))
        applied += news

    assert (state, applied) == (whole, events)


@given(CHANGES, st.integers(0, 20))
def test_history_read_again_from_any_earlier_point_changes_nothing(changes: list[LabelChange], start: int) -> None:
    state, _ = fold(INBOX, changes)

    assert fold(state, changes[start:]) == (state, [])


@given(CHANGES)
def test_the_events_of_a_label_alternate_and_undone_from_the_last_give_the_state_before(
    changes: list[LabelChange],
) -> None:
    state, events = fold(INBOX, changes)

    labels = set(state.labels) | ({DELETED} if state.deleted else set())
    for event in reversed(events):
        assert event.on == (event.label_id in labels)
        labels ^= {event.label_id}
    assert labels == INBOX.labels
    assert len({(event.label_id, event.history_id) for event in events}) == len(events)


def test_a_record_that_comes_late_still_counts_where_nothing_newer_is_known_of_its_label() -> None:
    state = LabelState(frozenset({"INBOX", "B"}), 20, False, fetched_id=10, last={"B": 20})
    late = [LabelChange(1, 7, "A", True, 15), LabelChange(1, 7, "B", False, 15), LabelChange(1, 7, "INBOX", False, 9)]

    after, events = fold(state, late)

    assert (after.labels, after.history_id, events) == (frozenset({"A", "B", "INBOX"}), 20, [late[0]])


@given(
    st.permutations(range(20)),
    st.lists(st.tuples(st.sampled_from(["INBOX", "A", DELETED]), st.booleans()), max_size=20),
)
def test_of_a_label_the_highest_history_id_decides_in_whatever_order_records_come(
    order: list[int], told: list[tuple[str, bool]]
) -> None:
    changes = [change(label, on, 8 + number) for number, (label, on) in enumerate(told)]
    state, log = LabelState(frozenset({"INBOX"}), 10, False, fetched_id=10), list[LabelChange]()
    for number in order:
        if number < len(changes):
            state, events = fold(state, [changes[number]])
            state = replace(state, last={**state.last, **{event.label_id: event.history_id for event in events}})
            log += events

    carried = {"INBOX": True} | {one.label_id: one.on for one in changes if one.history_id > 10}
    assert state.labels == {label for label, on in carried.items() if on and label != DELETED}
    assert state.deleted == carried.get(DELETED, False)
    for label, before in (("INBOX", True), ("A", False), (DELETED, False)):
        of_label = [event for event in log if event.label_id == label]
        assert [event.on for event in of_label] == [before ^ (number % 2 == 0) for number in range(len(of_label))]
        assert [event.history_id for event in of_label] == sorted({event.history_id for event in of_label})


def test_a_record_that_comes_late_does_not_count_where_a_newer_one_repeated_the_state() -> None:
    confirmed, _ = fold(LabelState(frozenset({"INBOX"}), 10, False, fetched_id=10), [change("INBOX", True, 20)])

    assert fold(confirmed, [change("INBOX", False, 15)]) == (confirmed, [])
    assert fold(confirmed, [change("INBOX", False, 21)])[0].confirmed == {}


def test_a_reconciliation_overrides_a_record_of_the_same_history_id() -> None:
    state = LabelState(frozenset(), 20, True, fetched_id=10, last={DELETED: 20})
    told, mended = LabelChange(1, 7, DELETED, False, 20), LabelChange(1, 7, DELETED, False, 20, mends=True)

    assert fold(state, [told]) == (state, [])
    assert fold(state, [mended])[1] == [mended] and not fold(state, [mended])[0].deleted
