"""Which of a shard's segments are merged next, and when segments are checked. Pure; actors/maintenance.py drives it.

A segment of at least half the maximum size of a merged segment is full and is never merged again; the others are
open. When there are too many open segments, the smallest are merged, as few as suffice, and only if the largest of
them is at most twice as large as the rest together. So a merged segment is at least 1.5 times as large as its largest
part: a byte is rewritten at most log1.5(largest / smallest) times. Each open segment that is not merged makes the sum
of the smaller ones grow threefold, so there are few open segments, whatever their sizes.

Superseded files stay on disk for a grace period, because readers may use them. A shard's superseded files may take a
third of the size of its live files; then nothing is merged until some are deleted. So the disk that a backup needs is
bounded at any moment, also while a whole mailbox arrives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.config import ArchiveConfig
from storage.model.records import LiveSegment

#: The largest segment of a merge is at most this many times the rest. Of 1, 2 and 3, on 60,000 segments of one
#: message, 3,000 of 16 MiB and mixtures: 1 leaves up to 14 segments open, 2 up to 11; 2 rewrites a byte 2 to 10 times
#: on average, 3 up to 12 times.
_IMBALANCE = 2.0
#: Minimum number of segments in a merge, where possible: fewer merges, and the same number of rewritten bytes.
_FEWEST = 4
#: Maximum number of segments in a merge: each is an open file with a batch in memory.
_MOST = 256
#: Superseded bytes allowed per byte of live files, and superseded bytes always allowed.
#: With a third, 60 segments of equal size are merged in three steps, each after the previous step's files are deleted.
SUPERSEDED_SHARE = 1 / 3
SUPERSEDED_BYTES = 32 << 20
#: Seconds until a merge that waits for disk is considered again.
_ROOM_EVERY_S = 30.0
#: Minimum seconds between two reads of the catalogue: there may be many commits a second.
_LOOK_EVERY_S = 1.0
#: Seconds before a failed compaction is retried; doubles.
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 600.0


@dataclass(frozen=True, slots=True)
class Debt:
    """A shard's compaction backlog.

    open_segments: those that are not full. excluded: damaged segments that compaction skips.
    bytes: of mail in the next merge, if the disk had room for all of it.
    """

    open_segments: int
    excluded: int
    bytes: int


def weight(segment: LiveSegment, config: ArchiveConfig) -> float:
    """A segment's size as a share of the maximum, by bytes or messages; weights add up in a merge."""
    return segment.size_bytes / config.merged_bytes + segment.messages / config.merged_messages


def open_segments(segments: Sequence[LiveSegment], config: ArchiveConfig) -> list[LiveSegment]:
    """The segments that may be merged, smallest weight first."""
    found = [segment for segment in segments if segment.excluded is None and weight(segment, config) < 0.5]
    return sorted(found, key=lambda segment: weight(segment, config))


def room(segments: Sequence[LiveSegment], superseded_bytes: int) -> int:
    """Bytes of files that may be merged now. `superseded_bytes`: of superseded files that are still on disk."""
    return max(int(_stored_bytes(segments) * SUPERSEDED_SHARE), SUPERSEDED_BYTES) - superseded_bytes


def choose(segments: Sequence[LiveSegment], config: ArchiveConfig, superseded_bytes: int = 0) -> list[LiveSegment]:
    """The segments to merge now; empty if there are none, or the disk has no room yet (`room`)."""
    found = open_segments(segments, config)
    candidates = _mergeable(found, config)
    wanted = _wanted(found, candidates, config)
    left = room(segments, superseded_bytes)
    fits = max((count for count in candidates if count <= wanted and _stored_bytes(found[:count]) <= left), default=0)
    if fits == wanted or fits >= _FEWEST:
        return found[:fits]
    if superseded_bytes:
        return []
    # No deletion will make more room: take the smallest useful merge.
    return found[: min((count for count in candidates if _FEWEST <= count <= wanted), default=wanted)]


def _wanted(found: Sequence[LiveSegment], candidates: Sequence[int], config: ArchiveConfig) -> int:
    """Number of the lightest segments to merge, regardless of disk space."""
    fewest = max(_FEWEST, len(found) - config.open_segments)  # merge a backlog at once, not in steps of four
    enough = [count for count in candidates if count >= fewest]
    return (enough[:1] or list(candidates[-1:]) or [0])[0]


def _mergeable(found: Sequence[LiveSegment], config: ArchiveConfig) -> list[int]:
    """Possible numbers of the lightest segments to merge, ascending; empty if there are few open segments."""
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
    """The segments to merge for as few segments as possible, regardless of the bytes rewritten."""
    chosen: list[LiveSegment] = []
    total = 0.0
    for segment in open_segments(segments, config)[:_MOST]:
        total += weight(segment, config)
        if total > 1.0:
            break
        chosen.append(segment)
    return chosen if len(chosen) > 1 else []


def debt(segments: Sequence[LiveSegment], config: ArchiveConfig) -> Debt:
    """The shard's compaction backlog."""
    found = open_segments(segments, config)
    wanted = _wanted(found, _mergeable(found, config), config)
    return Debt(
        open_segments=len(found),
        excluded=sum(segment.excluded is not None for segment in segments),
        bytes=sum(segment.size_bytes for segment in found[:wanted]),
    )


class Compactor:
    """Decides when a shard's segments are checked and which are merged, one merge at a time; callers report events."""

    def __init__(self, config: ArchiveConfig, now: float) -> None:
        self._config = config
        self._may_merge = config.compaction  # there may be segments to merge
        self._not_before = now
        self._pause_s = _FIRST_PAUSE_S
        self._merging = False

    def notify(self) -> None:
        """Record that a segment was committed."""
        self._may_merge = self._config.compaction

    def look_at(self) -> float | None:
        """When to read the catalogue (`choose`); None: not before the next event."""
        return self._not_before if self._may_merge and not self._merging else None

    def choose(self, segments: Sequence[LiveSegment], superseded_bytes: int, now: float) -> list[LiveSegment]:
        """The segments to merge now; if there are any, the merge counts as started."""
        chosen = choose(segments, self._config, superseded_bytes)
        waits = not chosen and bool(choose(segments, self._config))
        self._may_merge = waits
        self._not_before = now + (_ROOM_EVERY_S if waits else _LOOK_EVERY_S)
        self._merging = bool(chosen)
        return chosen

    def merged(self) -> None:
        """Record that the merge is committed; there may be more to merge."""
        self._merging = False
        self._may_merge = True
        self._pause_s = _FIRST_PAUSE_S

    def failed(self, now: float) -> None:
        """Retry after a pause: the catalogue did not answer, or the merge failed."""
        self._merging = False
        self._may_merge = True
        self._not_before = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
