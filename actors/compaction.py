"""Which of a shard's segments are merged next, and when they are looked at. Pure; actors/maintenance.py drives it.

A segment that is at least half as large as a merged one may become is full and is never touched again; the others are
open. When there are too many open ones, the smallest are merged, as few as suffice, and only where the largest of them
is at most twice as large as the rest together. So whatever is merged becomes at least half as large again: a byte is
rewritten at most log1.5(largest / smallest) times. And open segments that are left alone make the sum of the smaller
ones grow threefold, each of them, so that there are few, whatever sizes they come in.

Merged files stay on disk for a grace period, because readers may use them. So a shard's superseded files may take a
third of what its live files take, and no more is merged until some are deleted: the disk that a backup needs is bounded
at any moment, also while a whole mailbox arrives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.config import ArchiveConfig
from storage.model.records import LiveSegment

#: The largest of what is merged is at most this many times the rest of it. Of 1, 2 and 3, on 60,000 segments of one
#: message, 3,000 of 16 MiB and mixtures: 1 leaves up to 14 segments open, 2 up to 11; 2 rewrites a byte 2 to 10 times
#: on average, 3 up to 12 times.
_IMBALANCE = 2.0
#: Segments that a merge takes at least, where that is possible: fewer merges, and the same number of rewritten bytes.
_FEWEST = 4
#: Segments that a merge takes at most: each is an open file with a batch in memory.
_MOST = 256
#: Bytes of superseded files that a shard may have for each byte of its live files, and those that it may always have.
#: With a third, 60 segments of equal size are merged in three steps, each as soon as the files before it are deleted.
SUPERSEDED_SHARE = 1 / 3
SUPERSEDED_BYTES = 32 << 20
#: Seconds until a merge that waits for disk is considered again.
_ROOM_EVERY_S = 30.0
#: Seconds between two looks at the catalogue: commits may be many a second.
_LOOK_EVERY_S = 1.0
#: Seconds before a compaction that failed is tried again; doubles.
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 600.0


@dataclass(frozen=True, slots=True)
class Debt:
    """How far a shard's files are from what they should be.

    open_segments: those that are not full. excluded: those that compaction passes over because they are damaged.
    bytes: of mail in what would be merged now, if the disk had room for all of it.
    """

    open_segments: int
    excluded: int
    bytes: int


def weight(segment: LiveSegment, config: ArchiveConfig) -> float:
    """A segment's size as a share of the largest; messages count, too, so that weights add up in a merge."""
    return segment.size_bytes / config.merged_bytes + segment.messages / config.merged_messages


def open_segments(segments: Sequence[LiveSegment], config: ArchiveConfig) -> list[LiveSegment]:
    """Those that may be merged, lightest first."""
    found = [segment for segment in segments if segment.excluded is None and weight(segment, config) < 0.5]
    return sorted(found, key=lambda segment: weight(segment, config))


def room(segments: Sequence[LiveSegment], superseded_bytes: int) -> int:
    """Bytes of files that may be merged now. `superseded_bytes`: of merged files that are still on disk."""
    return max(int(_stored_bytes(segments) * SUPERSEDED_SHARE), SUPERSEDED_BYTES) - superseded_bytes


def choose(segments: Sequence[LiveSegment], config: ArchiveConfig, superseded_bytes: int = 0) -> list[LiveSegment]:
    """What should be merged now; empty when nothing should, or when the disk has no room for it yet (`room`)."""
    found = open_segments(segments, config)
    candidates = _mergeable(found, config)
    wanted = _wanted(found, candidates, config)
    left = room(segments, superseded_bytes)
    fits = max((count for count in candidates if count <= wanted and _stored_bytes(found[:count]) <= left), default=0)
    if fits == wanted or fits >= _FEWEST:
        return found[:fits]
    if superseded_bytes:
        return []
    # Nothing will make more room: the smallest merge that is worth its while.
    return found[: min((count for count in candidates if _FEWEST <= count <= wanted), default=wanted)]


def _wanted(found: Sequence[LiveSegment], candidates: Sequence[int], config: ArchiveConfig) -> int:
    """How many of the lightest segments should be merged, whatever room there is."""
    fewest = max(_FEWEST, len(found) - config.open_segments)  # a backlog is worked off at once, not four by four
    enough = [count for count in candidates if count >= fewest]
    return (enough[:1] or list(candidates[-1:]) or [0])[0]


def _mergeable(found: Sequence[LiveSegment], config: ArchiveConfig) -> list[int]:
    """How many of the lightest segments may be merged: ascending; empty when there are few open ones."""
    candidates = list[int]()
    if len(found) <= config.open_segments:
        return candidates
    total = 0.0
    for count, segment in enumerate(found[:_MOST], start=1):
        share = weight(segment, config)
        if total + share > 1.0:
            break
        if count > 1 and share <= _IMBALANCE * total:
            candidates.append(count)
        total += share
    return candidates


def _stored_bytes(segments: Sequence[LiveSegment]) -> int:
    return sum(segment.stored_bytes for segment in segments)


def choose_all(segments: Sequence[LiveSegment], config: ArchiveConfig) -> list[LiveSegment]:
    """What is merged when somebody asks for as few segments as possible, however many bytes that rewrites."""
    chosen: list[LiveSegment] = []
    total = 0.0
    for segment in open_segments(segments, config)[:_MOST]:
        total += weight(segment, config)
        if total > 1.0:
            break
        chosen.append(segment)
    return chosen if len(chosen) > 1 else []


def debt(segments: Sequence[LiveSegment], config: ArchiveConfig) -> Debt:
    """What is left to do."""
    found = open_segments(segments, config)
    wanted = _wanted(found, _mergeable(found, config), config)
    return Debt(
        open_segments=len(found),
        excluded=sum(segment.excluded is not None for segment in segments),
        bytes=sum(segment.size_bytes for segment in found[:wanted]),
    )


class Compactor:
    """When a shard's segments are looked at, and what is merged then. One merge at a time; everything is told."""

    def __init__(self, config: ArchiveConfig, now: float) -> None:
        self._config = config
        self._news = config.compaction  # there may be something to merge
        self._not_before = now
        self._pause_s = _FIRST_PAUSE_S
        self._merging = False

    def notify(self) -> None:
        """A segment was committed."""
        self._news = self._config.compaction

    def look_at(self) -> float | None:
        """When to look at the catalogue (`choose`); None: not before there is news."""
        return self._not_before if self._news and not self._merging else None

    def choose(self, segments: Sequence[LiveSegment], superseded_bytes: int, now: float) -> list[LiveSegment]:
        """What is merged now; the merge is under way when this returns something."""
        chosen = choose(segments, self._config, superseded_bytes)
        waits = not chosen and bool(choose(segments, self._config))
        self._news = waits
        self._not_before = now + (_ROOM_EVERY_S if waits else _LOOK_EVERY_S)
        self._merging = bool(chosen)
        return chosen

    def merged(self) -> None:
        """What was merged is committed; perhaps there is more."""
        self._merging = False
        self._news = True
        self._pause_s = _FIRST_PAUSE_S

    def failed(self, now: float) -> None:
        """The catalogue did not answer, or nothing came of the merge: try again after a pause."""
        self._merging = False
        self._news = True
        self._not_before = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
