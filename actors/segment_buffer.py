"""Fetched mail before its commit: held, being written, or written and not yet committed.

Counts bytes from the fetch to the commit, so that a shard's memory is bounded. Pure; actors/shard.py drives it.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from actors.config import ShardConfig
from actors.decisions import FetchedBatch, Write, Written
from storage.config import ArchiveConfig

#: Seconds before a failed write is repeated.
REPEAT_S = 1.0
#: Seconds between two attempts to write to an archive that accepts nothing, such as a full disk.
WAIT_S = 2.0
#: Attempts to write a segment before its mail is fetched again.
_WRITE_ATTEMPTS = 3


class SegmentBuffer:
    """One shard's mail between fetch and commit."""

    def __init__(self, config: ShardConfig, archive: ArchiveConfig) -> None:
        self._config, self._archive = config, archive
        self._flying_bytes = 0  # assumed size of messages in flight
        self._buffer: list[FetchedBatch] = []
        self._buffer_bytes = self._buffer_messages = 0
        self._writes = 0  # segments being written
        self._again: deque[tuple[float, Write]] = deque()  # failed writes
        self._written: deque[Written] = deque()
        self._writing_bytes = 0  # from flush to commit

    @property
    def holding(self) -> bool:
        """Whether mail is held outside a segment."""
        return bool(self._buffer)

    @property
    def storing(self) -> bool:
        """Whether a segment is being written or waits for its commit."""
        return bool(self._writes or self._again or self._written)

    def room(self) -> int:
        """Number of messages that fit; at least one if nothing is in flight, however small the buffer."""
        used = self._flying_bytes + self._writing_bytes + self._buffer_bytes
        room = (self._config.buffer_bytes - used) // self._config.typical_message_bytes
        return max(room, 0 if used else 1)

    def fetching(self, messages: int) -> None:
        """Record the start of a fetch of `count` messages."""
        self._flying_bytes += messages * self._config.typical_message_bytes

    def fetch_ended(self, messages: int) -> None:
        """Record the end of a fetch of `count` messages."""
        self._flying_bytes -= messages * self._config.typical_message_bytes

    def hold(self, held: FetchedBatch) -> None:
        """Hold fetched mail."""
        self._buffer.append(held)
        self._buffer_bytes += held.size_bytes
        self._buffer_messages += len(held.message_ids)

    def due(self, now: float, nothing_follows: bool) -> Iterable[Write]:
        """The segments to write now. `nothing_follows`: no further mail will arrive."""
        while self._again and self._again[0][0] <= now and self._writes < self._config.writes:
            self._writes += 1
            yield self._again.popleft()[1]
        while self._buffer and self._writes < self._config.writes and (nothing_follows or self._is_full(now)):
            self._writes += 1
            batches = tuple(self._cut())
            yield Write(batches, frozenset((held.user_id, key) for held in batches for key in held.skip))

    def next_at(self) -> float | None:
        """When to call `due` again without an event."""
        times = [when for when, _ in self._again]
        if self._buffer:
            times.append(self._buffer[0].fetched_at + self._archive.segment_age_s)
        return min(times, default=None)

    def written(self, outcome: Written) -> None:
        """Record that a segment's files are written."""
        self._writes -= 1
        self._written.append(outcome)

    def split(self, write: Write, now: float) -> int | None:
        """Write a segment's halves separately, because something in it cannot be stored.

        Returns:
            The message at fault, once it is alone; it is no longer held. None: the halves are written next.
        """
        halves = _halves(write.batches)
        if halves is None:
            self.forget(write)
            return write.batches[0].message_ids[0]
        for batches in halves:
            skip = write.skip | {(held.user_id, key) for held in batches for key in held.skip}
            self._again.append((now, replace(write, batches=batches, skip=frozenset(skip), attempt=_WRITE_ATTEMPTS)))
        return None

    def put_back(self, written: Written) -> None:
        """Return an uncommitted segment to the front."""
        self._written.appendleft(written)

    def gave_up(self, write: Write) -> bool:
        """Whether a failed write reached its maximum attempts; then it is no longer in progress."""
        if write.attempt < _WRITE_ATTEMPTS:
            return False
        self._writes -= 1
        return True

    def write_failed(self, write: Write, lost: bool, now: float, waits: bool = False) -> bool:
        """Record a failed write: the segment is written again, or True if its mail must be fetched again.

        Args:
            lost: the mail itself is gone from memory.
            waits: the archive accepts nothing for now. The mail is kept and the attempt does not count: a new fetch
                would spend quota in vain.
        """
        self._writes -= 1
        if waits and not lost:
            self._again.append((now + WAIT_S, write))
            return False
        if not lost and write.attempt < _WRITE_ATTEMPTS:
            self._again.append((now + REPEAT_S, replace(write, attempt=write.attempt + 1)))
            return False
        self.forget(write)
        return True

    def write_without(self, write: Write, stored: frozenset[tuple[int, int]], now: float) -> None:
        """Write a segment again without messages that are stored already."""
        self._again.append((now, replace(write, skip=write.skip | stored, attempt=1)))

    def next_written(self) -> Written | None:
        """The next segment to commit; its mail stays counted until `forget`."""
        return self._written.popleft() if self._written else None

    def forget(self, write: Write) -> None:
        """Forget a segment's mail, which is committed or lost."""
        self._writing_bytes -= sum(held.size_bytes for held in write.batches)

    def _is_full(self, now: float) -> bool:
        if self._buffer_bytes >= self._archive.segment_bytes:
            return True
        if self._buffer_messages >= self._archive.segment_messages:
            return True
        return now >= self._buffer[0].fetched_at + self._archive.segment_age_s  # as `next_at` computes it

    def _cut(self) -> list[FetchedBatch]:
        """The oldest held mail, at most one segment."""
        size = count = taken = 0
        skipped: set[tuple[int, int]] = set()
        for held in self._buffer:
            # A segment's `skip` is for all of its batches: a withheld message may be in a later batch, fetched again.
            if any((held.user_id, key) in skipped for key in held.message_ids):
                break
            skipped.update((held.user_id, key) for key in held.skip)
            taken += 1
            size += held.size_bytes
            count += len(held.message_ids)
            if size >= self._archive.segment_bytes or count >= self._archive.segment_messages:
                break
        batches, self._buffer = self._buffer[:taken], self._buffer[taken:]
        self._buffer_bytes -= size
        self._buffer_messages -= count
        self._writing_bytes += size
        return batches


def _halves(batches: tuple[FetchedBatch, ...]) -> tuple[tuple[FetchedBatch, ...], tuple[FetchedBatch, ...]] | None:
    """Two parts of a segment's mail; None when it is one message."""
    if len(batches) > 1:
        middle = len(batches) // 2
        return batches[:middle], batches[middle:]
    [batch] = batches
    ids, middle = batch.message_ids, len(batch.message_ids) // 2
    if middle == 0:
        return None
    size = batch.size_bytes // 2
    first = replace(batch, message_ids=ids[:middle], skip=batch.skip + ids[middle:], size_bytes=size)
    rest = replace(batch, message_ids=ids[middle:], skip=batch.skip + ids[:middle], size_bytes=batch.size_bytes - size)
    return (first,), (rest,)
