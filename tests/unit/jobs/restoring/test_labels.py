"""Which label of the target stands for which of the archive: jobs/restoring/labels.py"""

import pytest

from jobs.gmail.records import Label
from jobs.restoring.labels import LabelStep, plan_labels, renamed, stand_in

_SYSTEM = [Label(name, name, "system") for name in ("INBOX", "SENT", "UNREAD", "CHAT", "CATEGORY_SOCIAL")]


def _user(label_id: str, name: str, color: str = "") -> Label:
    return Label(label_id, name, "user", "show/labelShow", color)


def _outcomes(steps: list[LabelStep]) -> dict[str, tuple[str, str | None, str]]:
    return {step.label.id: (step.name, step.target_id, step.outcome) for step in steps}


def test_system_labels_are_kept_and_chats_become_a_label_of_their_own() -> None:
    steps = plan_labels([_SYSTEM[0], _SYSTEM[3]], _SYSTEM)

    assert _outcomes(steps) == {"INBOX": ("INBOX", "INBOX", "kept"), "CHAT": ("Chats (restored)", None, "mapped")}
    assert "Gmail takes no CHAT from outside" in next(step.detail for step in steps if step.label.id == "CHAT")


def test_a_label_of_that_name_is_used_whatever_its_id_and_case() -> None:
    target = [*_SYSTEM, _user("Label_9", "family"), _user("Label_2", "Travel")]
    steps = plan_labels([_user("Label_1", "Family"), _user("Label_2", "Travel")], target)

    assert _outcomes(steps) == {"Label_1": ("family", "Label_9", "found"), "Label_2": ("Travel", "Label_2", "kept")}
    assert next(step.detail for step in steps if step.label.id == "Label_1") == "'Family' is called 'family' there"


def test_a_label_that_was_renamed_there_is_created_again_and_the_other_one_is_left_alone() -> None:
    steps = plan_labels([_user("Label_1", "Family")], [*_SYSTEM, _user("Label_1", "pay me")])
    assert _outcomes(steps) == {"Label_1": ("Family", None, "created")}


def test_parents_come_first_as_the_archive_defines_them() -> None:
    red = "#ffffff/#cc3a21"
    defined = [_user("Label_1", "Clients", red), _user("Label_2", "Clients/Acme/2024")]

    steps = plan_labels(defined[1:], _SYSTEM, defined)

    assert [(step.name, step.is_parent) for step in steps] == [
        ("Clients", True),
        ("Clients/Acme", True),
        ("Clients/Acme/2024", False),
    ]
    assert steps[0].label.color == red


def test_a_label_that_is_there_gets_no_parents_that_it_never_had() -> None:
    there = _user("Label_3", "Clients/Acme")
    assert [step.name for step in plan_labels([there], [*_SYSTEM, there])] == ["Clients/Acme"]


@pytest.mark.parametrize("name", ["Muted", "Posteingang", "Da leggere", "送信済みメール", "DRAFTS", "a//b", "x" * 230])
def test_a_name_that_cannot_be_had_is_mapped_and_told(name: str) -> None:
    [step] = plan_labels([_user("Label_1", name)], _SYSTEM)

    assert (step.outcome, step.target_id, step.name.endswith(" (restored)")) == ("mapped", None, True)
    assert len(step.name) <= 225 and name in step.detail


def test_a_name_that_gmail_refuses_all_the_same_gets_the_next_free_one() -> None:
    [step] = plan_labels([_user("Label_1", "Sähköposti")], _SYSTEM)
    first = renamed(step, "Invalid label name", ["Sähköposti"])
    second = renamed(step, "Invalid label name", ["sähköposti (restored)"])

    assert (first.name, second.name) == ("Sähköposti (restored)", "Sähköposti (restored 2)")
    assert "Invalid label name" in second.detail


def test_an_earlier_restore_s_label_is_used_again() -> None:
    target = [*_SYSTEM, _user("Label_7", "Muted (restored)")]
    [step] = plan_labels([_user("Label_1", "Muted")], target)
    assert (step.target_id, step.outcome) == ("Label_7", "mapped")


def test_a_system_label_that_is_refused_on_a_message_has_a_name_for_its_stand_in() -> None:
    names = [stand_in(name).name for name in ("DRAFT", "SENT", "CATEGORY_SOCIAL")]
    assert names == ["Drafts (restored)", "Sent (restored)", "Social (restored)"]
