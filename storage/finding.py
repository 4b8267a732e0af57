"""Which messages of one mailbox a plan finds, newest first.

Content comes first: candidates from a scan of Parquet, a window of them at a time, verified on their text where the
scan is not certain. The message index then says which of them carry the labels now. A word index takes the place of
the scan by giving the candidates that `Plan.words` names. Content never changes, so a search of a former moment differs
in the index that it asks alone (storage/moments.py).
Blocking: call it from a thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from storage import moments
from storage.databases import transaction
from storage.emails import Position
from storage.language.conditions import Condition
from storage.language.evaluate import Content, content_holds, evaluate
from storage.language.plan import Plan
from storage.mailfiles import MailFiles

#: Candidates in a window: four for each message wanted, twice as many each time, at most this.
_WINDOW = 4000
#: Messages whose text is in memory at once.
_VERIFIED = 200


@dataclass(frozen=True, slots=True)
class _Decided:
    """message_ids: of those whose content satisfies the plan's; sets: of those in each of the plan's sets."""

    message_ids: list[int]
    sets: tuple[list[int], ...]


class Finder:
    """Finds messages of one user, as they are or as they were."""

    def __init__(self, user_id: int, engine: Engine, files: MailFiles, as_of: datetime | None = None) -> None:
        self._user_id, self._engine, self._files, self._as_of = user_id, engine, files, as_of

    def find(self, plan: Plan, start: Position, limit: int, with_deleted: bool) -> list[dict[str, Any]]:
        """The next rows of the message index (emails_page.sql) that match, at most `limit`."""
        if plan.before_at <= start.received_at:
            start = Position(plan.before_at, -(1 << 63))
        if not plan.asks_content:
            return self._index(plan, start, limit, with_deleted, None)
        files = self._files.names(plan.after_at, start.received_at)
        found: list[dict[str, Any]] = []
        window = 4 * limit
        while files:
            candidates = self._candidates(plan, files, start, window)
            decided = self._decide(plan, candidates, files)
            if decided.message_ids:
                found += self._index(plan, start, limit - len(found), with_deleted, decided)
            if len(found) >= limit or len(candidates) < window:
                break
            start = Position(candidates[-1]["received_at"], candidates[-1]["message_id"])
            window = max(4 * limit, min(2 * window, _WINDOW))
        return found

    def _candidates(self, plan: Plan, files: Sequence[str], start: Position, limit: int) -> list[dict[str, Any]]:
        values = {
            **plan.values,
            "before_at": start.received_at,
            "before_id": start.message_id,
            "after_at": plan.after_at,
            "limit": limit,
        }
        atoms = ", ".join(f"{atom.sql} AS a{number}" for number, atom in enumerate(plan.atoms))
        return self._files.rows("matching", files, values, {"atoms": atoms, "candidates": plan.candidates})

    def _decide(self, plan: Plan, candidates: Sequence[dict[str, Any]], files: Sequence[str]) -> _Decided:
        wanted = (plan.content, *plan.sets)
        truths: dict[int, list[bool | None]] = {}
        unsure: list[dict[str, Any]] = []
        for row in candidates:
            known: dict[Condition, bool | None] = {
                atom.leaf: bool(row[f"a{number}"]) if atom.exact or not row[f"a{number}"] else None
                for number, atom in enumerate(plan.atoms)
            }
            truth = [evaluate(condition, known.get) for condition in wanted]
            if truth[0] is not False:
                truths[row["message_id"]] = truth
                if None in truth:
                    unsure.append(row)
        for at in range(0, len(unsure), _VERIFIED):
            for message_id, content in self._texts(unsure[at : at + _VERIFIED], files).items():
                truths[message_id] = [evaluate(condition, _reading(content)) for condition in wanted]
        return _Decided(
            [message_id for message_id, truth in truths.items() if truth[0]],
            tuple(
                [message_id for message_id, truth in truths.items() if truth[number]]
                for number in range(1, len(wanted))
            ),
        )

    def _texts(self, rows: Sequence[dict[str, Any]], files: Sequence[str]) -> dict[int, Content]:
        values = {
            "message_ids": [row["message_id"] for row in rows],
            "first_at": rows[-1]["received_at"],
            "last_at": rows[0]["received_at"],
        }
        return {row["message_id"]: _content(row) for row in self._files.rows("texts", files, values)}

    def _index(
        self, plan: Plan, start: Position, limit: int, with_deleted: bool, decided: _Decided | None
    ) -> list[dict[str, Any]]:
        sets = {f"set{number}": ids for number, ids in enumerate(decided.sets)} if decided else {}
        statement = text(moments.of("emails_page", self._as_of).replace("{condition}", plan.index))
        with transaction(self._engine) as connection:
            moments.in_order(connection, self._as_of)
            rows = connection.execute(
                statement,
                {
                    **plan.index_values,
                    **sets,
                    **moments.values(self._as_of),
                    "user_id": self._user_id,
                    "before_at": start.received_at,
                    "before_id": start.message_id,
                    "after_at": plan.after_at,
                    "with_labels": list(plan.with_labels),
                    "without_labels": list(plan.without_labels),
                    "with_deleted": with_deleted,
                    "message_ids": decided.message_ids if decided else None,
                    "limit": limit,
                },
            )
            return [dict(row._mapping) for row in rows]


def _reading(content: Content) -> Any:
    return lambda leaf: content_holds(leaf, content)


def _content(row: Mapping[str, Any]) -> Content:
    fields = {
        "subject": (row["subject"],),
        "text": (row["text"],),
        "from": (row["from"],),
        "to": tuple(row["to"]),
        "cc": tuple(row["cc"]),
        "bcc": tuple(row["bcc"]),
        "list": (row["list_id"],),
        "filename": tuple(name or "" for name in row["filenames"]),
        "deliveredto": tuple(value or "" for value in row["delivered_to"]),
    }
    return Content(fields, row["rfc822_message_id"])
