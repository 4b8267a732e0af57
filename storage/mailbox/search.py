"""Executes a plan: finds the matching messages of one mailbox, newest first.

Content is decided first. Candidates come from the word indexes, or from a scan of Parquet where there is no index, one
window at a time; uncertain candidates are verified on their text. The message index then applies the current labels.
Content never changes, so a search as of a past time differs only in the index it uses (storage/mailbox/as_of.py).
Blocking: call it from a thread.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.db.engines import Source, transaction
from storage.fulltext.search import SegmentFile
from storage.mailbox.as_of import as_of_query, as_of_values, read_in_page_order
from storage.mailbox.segment_files import MailFiles
from storage.model.results import PageCursor
from storage.model.time_range import EARLIEST
from storage.query.conditions import Condition
from storage.query.evaluate import Content, evaluate
from storage.query.plan import Plan
from storage.segments.file_names import PARQUET_SUFFIX

#: Growth factor and largest size of the windows of candidates; the first window has four per requested message.
#: For candidates whose text must be read, and for candidates that the word index decides, which cost 1 us each.
_READ = (2, 4000)
_SURE = (8, 50_000)
#: Most messages that are ranked.
_RANKED = 2000
#: Most messages whose texts are in memory at once.
_VERIFIED = 200


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A message that may match. known: values of the plan's leaves; sure: its content satisfies `plan.content`."""

    message_id: int
    received_at: datetime
    known: Mapping[Condition, bool | None]
    sure: bool


@dataclass(frozen=True, slots=True)
class Matches:
    """message_ids: messages whose content satisfies the plan's condition; sets: messages in each of the plan's sets."""

    message_ids: list[int]
    sets: tuple[list[int], ...]


class SearchExecutor:
    """Searches one user's messages, now or as of a time."""

    def __init__(self, user_id: int, engine: Source, files: MailFiles, as_of: datetime | None = None) -> None:
        self._user_id, self._engine, self._files, self._as_of = user_id, engine, files, as_of

    def find(self, plan: Plan, start: PageCursor, limit: int, with_deleted: bool) -> list[dict[str, Any]]:
        """The next matching rows of the message index (emails_page.sql), at most `limit`."""
        if plan.before_at <= start.received_at:
            start = PageCursor(plan.before_at, -(1 << 63))
        if not plan.asks_content:
            return self._index(plan, start, limit, with_deleted, None)
        matching: list[dict[str, Any]] = []
        for at, matches in self._decisions(plan, start, 4 * limit):
            if matches.message_ids:
                matching += self._index(plan, at, limit - len(matching), with_deleted, matches)
            if len(matching) >= limit:
                break
        return matching

    def matches(self, plan: Plan) -> Matches:
        """All messages whose content satisfies the plan's condition, regardless of the message index."""
        message_ids: list[int] = []
        sets: tuple[list[int], ...] = tuple([] for _ in plan.sets)
        for _, matches in self._decisions(plan, PageCursor(plan.before_at, -(1 << 63)), _READ[1]):
            message_ids += matches.message_ids
            for members, more in zip(sets, matches.sets, strict=True):
                members += more
        return Matches(message_ids, sets)

    def best(
        self, plan: Plan, start: PageCursor, limit: int, with_deleted: bool
    ) -> tuple[list[dict[str, Any]], datetime]:
        """The matching rows before a position, most relevant first, at most `limit`; and the newest candidate's time.

        At most 2,000 messages are ranked. Matches that no word index ranks (segments without one, searches without
        words) follow the ranked ones, newest first.
        """
        words = plan.words.expression
        if words is None:
            rows = self.find(plan, start, limit, with_deleted)
            return rows, rows[0]["received_at"] if rows else EARLIEST
        if plan.before_at <= start.received_at:
            start = PageCursor(plan.before_at, -(1 << 63))
        segments = self._files.segments(plan.after_at, start.received_at)
        hits, unindexed = self._files.best(segments, words, start, plan.after_at, _RANKED)
        ranked = [_Candidate(hit.message_id, hit.received_at, {}, plan.words.exact) for hit in hits]
        ranked += self._scanned(plan, unindexed, start, _RANKED)
        rank = {candidate.message_id: number for number, candidate in enumerate(ranked)}
        best_rows: list[dict[str, Any]] = []
        at, window = 0, 4 * limit
        while at < len(ranked) and len(best_rows) < limit:
            newest_first = sorted(ranked[at : at + window], key=_received, reverse=True)
            matches = self._decide(plan, newest_first, segments)
            if matches.message_ids:
                rows = self._index(plan, start, window, with_deleted, matches)
                best_rows += sorted(rows, key=lambda row: rank[row["message_id"]])
            at, window = at + window, min(2 * window, _READ[1])
        return best_rows[:limit], max(map(_received, ranked), default=EARLIEST)

    def _decisions(self, plan: Plan, start: PageCursor, least: int) -> Iterator[tuple[PageCursor, Matches]]:
        """Decide content in windows of at least `least` candidates; yields where each window begins, and the result."""
        segments = self._files.segments(plan.after_at, start.received_at)
        sure = plan.words.exact and all(segment.words_bytes is not None for segment in segments)
        growth, widest = _SURE if sure else _READ
        window = least
        while segments:
            candidates = self._candidates(plan, segments, start, window)
            yield start, self._decide(plan, candidates, segments)
            if len(candidates) < window:
                return
            start = PageCursor(candidates[-1].received_at, candidates[-1].message_id)
            window = max(least, min(growth * window, widest))

    def _candidates(
        self, plan: Plan, segments: Sequence[SegmentFile], start: PageCursor, limit: int
    ) -> list[_Candidate]:
        """The next messages that may match, newest first."""
        words = plan.words.expression
        if words is None:
            return self._scanned(plan, segments, start, limit)
        hits, unindexed = self._files.hits(segments, words, start, plan.after_at, limit)
        candidates = [_Candidate(hit.message_id, hit.received_at, {}, plan.words.exact) for hit in hits]
        if unindexed:
            candidates += self._scanned(plan, unindexed, start, limit)
            candidates.sort(key=lambda candidate: (candidate.received_at, candidate.message_id), reverse=True)
        return candidates[:limit]

    def _scanned(self, plan: Plan, segments: Sequence[SegmentFile], start: PageCursor, limit: int) -> list[_Candidate]:
        values = {
            **plan.values,
            "before_at": start.received_at,
            "before_id": start.message_id,
            "after_at": plan.after_at,
            "limit": limit,
        }
        atoms = ", ".join(f"{atom.sql} AS a{number}" for number, atom in enumerate(plan.atoms))
        parts = {"atoms": atoms, "candidates": plan.candidates}
        return [
            _Candidate(row["message_id"], row["received_at"], _known(plan, row), False)
            for row in self._files.rows("matching", _parquet(segments), values, parts)
        ]

    def _decide(self, plan: Plan, candidates: Sequence[_Candidate], segments: Sequence[SegmentFile]) -> Matches:
        wanted = (plan.content, *plan.sets)
        truths: dict[int, list[bool | None]] = {}
        unsure: list[_Candidate] = []
        for candidate in candidates:
            truth: list[bool | None] = (
                [True] if candidate.sure else [evaluate(condition, candidate.known.get) for condition in wanted]
            )
            if truth[0] is not False:
                truths[candidate.message_id] = truth
                if None in truth:
                    unsure.append(candidate)
        for at in range(0, len(unsure), _VERIFIED):
            contents = self._texts(unsure[at : at + _VERIFIED], segments)
            read = self._files.texts.truths(wanted, list(contents.values()))
            truths.update((key, list(truth)) for key, truth in zip(contents, read, strict=True))
        return Matches(
            [message_id for message_id, truth in truths.items() if truth[0]],
            tuple(
                [message_id for message_id, truth in truths.items() if truth[number]]
                for number in range(1, len(wanted))
            ),
        )

    def _texts(self, candidates: Sequence[_Candidate], segments: Sequence[SegmentFile]) -> dict[int, Content]:
        values = {
            "message_ids": [candidate.message_id for candidate in candidates],
            "first_at": candidates[-1].received_at,
            "last_at": candidates[0].received_at,
        }
        return {row["message_id"]: _content(row) for row in self._files.rows("texts", _parquet(segments), values)}

    def _index(
        self, plan: Plan, start: PageCursor, limit: int, with_deleted: bool, matches: Matches | None
    ) -> list[dict[str, Any]]:
        sets = {f"set{number}": ids for number, ids in enumerate(matches.sets)} if matches else {}
        chosen = "m.message_id = ANY(CAST(:message_ids AS bigint[]))" if matches else "TRUE"
        statement = as_of_query("emails_page", self._as_of, condition=plan.index, chosen=chosen)
        with transaction(self._engine) as connection:
            read_in_page_order(connection, self._as_of)
            rows = connection.execute(
                statement,
                {
                    **plan.index_values,
                    **sets,
                    **as_of_values(self._as_of),
                    "user_id": self._user_id,
                    "before_at": start.received_at,
                    "before_id": start.message_id,
                    "after_at": plan.after_at,
                    "with_labels": list(plan.with_labels),
                    "without_labels": list(plan.without_labels),
                    "with_deleted": with_deleted,
                    **({"message_ids": matches.message_ids} if matches else {}),
                    "limit": limit,
                },
            )
            return [dict(row._mapping) for row in rows]


def _received(candidate: _Candidate) -> datetime:
    return candidate.received_at


def _known(plan: Plan, row: Mapping[str, Any]) -> dict[Condition, bool | None]:
    return {
        atom.leaf: bool(row[f"a{number}"]) if atom.exact or not row[f"a{number}"] else None
        for number, atom in enumerate(plan.atoms)
    }


def _parquet(segments: Sequence[SegmentFile]) -> list[str]:
    return [segment.name + PARQUET_SUFFIX for segment in segments]


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
