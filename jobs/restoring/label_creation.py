"""The labels of the target mailbox, by ids of the archive's: created where they are missing.

Safe to repeat: a label whose creation is uncertain, or whose name is taken, is looked for by its name.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from jobs.gmail.errors import GmailRefused, GmailUnavailable
from jobs.gmail.records import Label
from jobs.gmail.writes import WriteUncertain
from jobs.restoring.labels import LabelStep, plain, renamed, stand_in
from storage.control.restore_records import LabelOutcome

_REFUSED = re.compile(r"label: ([\w-]+)")


class LabelCalls(Protocol):
    """Calls about labels, within the quota and repeated until they succeed or are refused."""

    async def labels(self) -> list[Label]: ...

    async def create(self, name: str, visibility: str, color: str) -> Label:
        """Raises GmailRefused, WriteUncertain."""


class TargetLabels:
    """What each label of the archive is in the target mailbox."""

    def __init__(
        self,
        calls: LabelCalls,
        known: Iterable[LabelOutcome],
        held: Mapping[int, frozenset[str]],
        record: Callable[[LabelOutcome], object],
    ) -> None:
        """`known`: outcomes of an earlier run. `held`: labels of messages that the target has. `record`: keeps one."""
        self._calls, self._held, self._record = calls, held, record
        self._ids = {outcome.label_id: outcome.target_id for outcome in known}
        self._names = {outcome.label_id: outcome.name for outcome in known}

    def of(self, label_ids: Iterable[str]) -> list[str]:
        """Ids in the target of a message's labels; labels that are left out are missing."""
        ids = (self._ids.get(label_id) for label_id in label_ids)
        return list(dict.fromkeys(target_id for target_id in ids if target_id is not None))

    def named_by(self, reason: str, target_ids: Iterable[str]) -> str | None:
        """The label that Gmail refused on a message, by its reason ("Invalid label: Label_1")."""
        refused = _REFUSED.search(reason)
        return refused[1] if refused and refused[1] in set(target_ids) else None

    def held(self, message_id: int) -> frozenset[str]:
        """Labels that a message of the target had when the restore was planned."""
        return self._held.get(message_id, frozenset())

    async def prepare(self, steps: Sequence[LabelStep]) -> None:
        """Have every label, parents first."""
        for step in steps:
            if step.label.id not in self._ids:
                await self._have(step)

    async def refused(self, target_id: str, reason: str) -> None:
        """Gmail refused a label on a message: put another one in its place, or create it again if it was deleted."""
        label_id = next((key for key, value in self._ids.items() if value == target_id), None)
        if label_id is None:  # another message's refusal has replaced it meanwhile
            return
        name = self._names[label_id]
        if target_id.startswith("Label_"):
            step = LabelStep(Label(label_id, name, "user"), name, None, "created", "it was deleted meanwhile")
        else:
            substitute = stand_in(target_id).name or target_id
            detail = f"Gmail refused {target_id} on a message ({reason}): {substitute!r} marks these messages"
            step = LabelStep(Label(label_id, name, "user"), substitute, None, "mapped", detail)
        await self._have(step)

    async def _have(self, step: LabelStep) -> None:
        if step.target_id is None:
            step = await self._created(step)
        self._ids[step.label.id] = step.target_id
        shown = self._names[step.label.id] = step.label.name or step.label.id
        if not step.is_parent:
            self._record(LabelOutcome(step.label.id, shown, step.target_id, step.outcome, step.detail))

    async def _created(self, step: LabelStep) -> LabelStep:
        while True:
            try:
                made = await self._calls.create(step.name, step.label.visibility, step.label.color)
                return replace(step, target_id=made.id)
            except (WriteUncertain, GmailUnavailable, GmailRefused) as exc:
                there = await self._calls.labels()
                found = next((each for each in there if (each.name or "").lower() == step.name.lower()), None)
                if found is not None and found.type == "user":
                    return replace(step, target_id=found.id)
                if not isinstance(exc, GmailRefused):
                    continue
                if exc.status not in (400, 409):
                    raise
                if step.label.color and "color" in exc.reason.lower():
                    step = plain(step, exc.reason)
                else:
                    step = renamed(step, exc.reason, [each.name or "" for each in there] + [step.name])
