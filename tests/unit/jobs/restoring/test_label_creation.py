"""Labels that Gmail refuses on a message: jobs/restoring/label_creation.py"""

import asyncio

import pytest

from jobs.gmail.records import Label
from jobs.restoring.label_creation import TargetLabels
from storage.control.restore_records import LabelOutcome


class _Calls:
    """A mailbox that takes every label."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def labels(self) -> list[Label]:
        return []

    async def create(self, name: str, visibility: str, color: str) -> Label:
        await asyncio.sleep(0)
        self.made.append(name)
        return Label(f"Label_9{len(self.made)}", name, "user", visibility, color)


def _labels(calls: _Calls) -> TargetLabels:
    known = [
        LabelOutcome("Label_1", "Family", "Label_1", "kept", ""),
        LabelOutcome("Label_12", "Work", "Label_12", "kept", ""),
    ]
    return TargetLabels(calls, known, {}, lambda _outcome: None)


def test_a_label_that_two_messages_were_refused_is_created_again_once() -> None:
    calls = _Calls()
    labels = _labels(calls)

    async def refused() -> None:
        await labels.refused("Label_1", "Invalid label: Label_1")
        await labels.refused("Label_1", "Invalid label: Label_1")

    asyncio.run(refused())

    assert calls.made == ["Family"]
    assert labels.of(["Label_1", "Label_12"]) == ["Label_91", "Label_12"]


@pytest.mark.parametrize(
    ("reason", "named"),
    [
        ("Invalid label: Label_12", "Label_12"),
        ("Invalid label: Label_1", "Label_1"),
        ("Invalid label: Label_1.", "Label_1"),
        ("Invalid label: Label_123", None),
        ("Precondition failed", None),
    ],
)
def test_the_label_of_a_refusal_is_told_by_its_whole_id(reason: str, named: str | None) -> None:
    assert _labels(_Calls()).named_by(reason, ["Label_1", "Label_12"]) == named
