"""What is merged: few segments stay open, none outgrows its bounds, no byte is rewritten often."""

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.compaction import SUPERSEDED_BYTES, Compactor, choose, choose_all, debt, open_segments, weight
from storage.config import ArchiveConfig
from storage.model.records import LiveSegment

CONFIG = ArchiveConfig(merged_bytes=64 << 20, merged_messages=100_000)


def segment(number: int, size_bytes: int, messages: int = 1, excluded: str | None = None) -> LiveSegment:
    return LiveSegment(f"s{number}", messages, size_bytes, size_bytes // 2, excluded)


@dataclass
class Archive:
    """A shard's segments under the policy; counts how often the oldest byte of each was rewritten."""

    config: ArchiveConfig = CONFIG
    live: dict[str, LiveSegment] = field(default_factory=dict)
    rewrites: dict[str, int] = field(default_factory=dict)
    rewritten_bytes: int = 0
    number: int = 0

    def arrive(self, size_bytes: int, messages: int = 1) -> None:
        """A segment is committed, and what should be merged is."""
        self._add(segment(self.number, size_bytes, messages), 0)
        while chosen := choose(list(self.live.values()), self.config):
            self.merge(chosen)

    def merge(self, chosen: list[LiveSegment]) -> None:
        assert len(chosen) > 1
        before = max(self.rewrites[part.name] for part in chosen)
        for part in chosen:
            del self.live[part.name]
        size = sum(part.size_bytes for part in chosen)
        messages = sum(part.messages for part in chosen)
        assert size <= self.config.merged_bytes and messages <= self.config.merged_messages
        self.rewritten_bytes += size
        self._add(segment(self.number, size, messages), before + 1)

    def _add(self, new: LiveSegment, rewrites: int) -> None:
        self.live[new.name] = new
        self.rewrites[new.name] = rewrites
        self.number += 1

    @property
    def open(self) -> list[LiveSegment]:
        return open_segments(list(self.live.values()), self.config)


sizes = st.lists(
    st.tuples(st.sampled_from([1, 500, 2_000, 19_000, 300_000, 4_000_000, 60_000_000]), st.integers(1, 4000)),
    max_size=300,
)


@given(sizes)
def test_few_segments_stay_open_and_no_byte_is_rewritten_often(arrivals: list[tuple[int, int]]) -> None:
    archive = Archive()
    for size_bytes, messages in arrivals:
        archive.arrive(size_bytes, messages)
        # Open segments that may not be merged outgrow the sum of the smaller ones threefold.
        lightest = weight(archive.open[0], CONFIG) if archive.open else 0.5
        assert len(archive.open) <= max(CONFIG.open_segments, 2 + math.log(0.5 / lightest, 3))
    smallest = min((weight(segment(0, *arrival), CONFIG) for arrival in arrivals), default=1.0)
    most = max(archive.rewrites.values(), default=0)
    assert most <= max(0.0, math.log(1.0 / smallest, 1.5)) + 1, (
        "a merge makes the largest of its parts half as large again"
    )
    assert sum(part.size_bytes for part in archive.live.values()) == sum(size for size, _ in arrivals)


@pytest.mark.parametrize(
    ("size_bytes", "messages", "count", "most"), [(19_000, 1, 20_000, 8.0), (4 << 20, 400, 1_000, 3.5)]
)
def test_steady_arrivals_are_rewritten_a_few_times(size_bytes: int, messages: int, count: int, most: float) -> None:
    archive = Archive()
    for _ in range(count):
        archive.arrive(size_bytes, messages)
        assert len(archive.open) <= 10

    assert archive.rewritten_bytes / (size_bytes * count) <= most
    assert all(weight(part, CONFIG) >= 0.5 for part in set(archive.live.values()) - set(archive.open))


def test_a_backlog_is_rewritten_once() -> None:
    archive = Archive()
    for number in range(160):
        archive.live[f"s{number}"] = segment(number, 1 << 20, 100)
        archive.rewrites[f"s{number}"] = 0
    archive.number = 160

    while chosen := choose(list(archive.live.values()), CONFIG):
        archive.merge(chosen)

    assert archive.rewritten_bytes <= 160 << 20
    assert len(archive.open) <= 10


def test_superseded_files_take_at_most_a_third_of_the_live_ones_while_mail_arrives_and_is_merged() -> None:
    archive, compactor = Archive(config=ArchiveConfig()), Compactor(ArchiveConfig(), 0.0)
    superseded: list[tuple[float, int]] = []  # when a merge ended, and the bytes of the files that it replaced
    grace_s, arriving_s, now, largest = 900.0, 600.0, 0.0, 0.0
    while now < arriving_s + 8 * grace_s:
        superseded = [(at, stored) for at, stored in superseded if at > now - grace_s]
        if now < arriving_s:
            archive._add(segment(archive.number, 16 << 20, 4000), 0)
            compactor.notify()
        live, kept = list(archive.live.values()), sum(stored for _, stored in superseded)
        look_at = compactor.look_at()
        due = look_at is not None and look_at <= now
        if due and (chosen := compactor.choose(live, kept, now)):
            superseded.append((now, sum(part.stored_bytes for part in chosen)))
            archive.merge(chosen)
            compactor.merged()
        live_bytes = sum(part.stored_bytes for part in archive.live.values())
        largest = max(largest, sum(stored for _, stored in superseded) / max(live_bytes, 3 * SUPERSEDED_BYTES))
        now += 2.0

    assert 0.2 < largest <= 0.334
    assert len(archive.open) <= 10, "in the end as few are open as without a bound"
    assert archive.rewritten_bytes <= 3 * 300 * (16 << 20)


def test_a_merge_larger_than_the_room_happens_when_nothing_superseded_is_left() -> None:
    # Four of eleven equal segments are more than a third.
    segments = [segment(number, 100 << 20, 10_000) for number in range(11)]
    config = ArchiveConfig()

    assert len(choose(segments, config)) == 4
    assert choose(segments, config, superseded_bytes=1) == []
    compactor = Compactor(config, 0.0)
    assert compactor.choose(segments, 1, 0.0) == []
    assert compactor.look_at() == 30.0, "the room is looked at again"
    assert len(compactor.choose(segments, 0, 30.0)) == 4
    assert debt(segments, config).bytes == 4 * (100 << 20)


def test_small_archives_are_merged_without_waiting() -> None:
    segments = [segment(number, 1 << 20, 100) for number in range(11)]

    assert len(choose(segments, ArchiveConfig(), superseded_bytes=SUPERSEDED_BYTES - (4 << 20))) == 4


def test_ten_small_segments_are_left_alone() -> None:
    assert choose([segment(number, 1000) for number in range(10)], CONFIG) == []


def test_damaged_and_full_segments_are_passed_over() -> None:
    full = [segment(100 + number, 40 << 20) for number in range(20)]
    damaged = [segment(200 + number, 10, excluded="it is missing") for number in range(20)]
    small = [segment(number, 1000) for number in range(11)]

    assert {*choose([*full, *damaged, *small], CONFIG)} <= {*small}
    assert debt([*full, *damaged, *small[:10]], CONFIG).bytes == 0
    assert (debt([*full, *damaged, *small], CONFIG).open_segments, debt(damaged, CONFIG).excluded) == (11, 20)


def test_somebody_who_asks_gets_everything_merged_that_fits() -> None:
    small = [segment(number, 1000 << number) for number in range(10)]

    assert choose(small, CONFIG) == []
    assert choose_all(small, CONFIG) == small
    assert choose_all(small[:1], CONFIG) == []
    large = [segment(number, 20 << 20) for number in range(4)]
    assert choose_all(large, CONFIG) == large[:3]


def test_a_backlog_is_merged_a_few_hundred_at_a_time() -> None:
    chosen = choose_all([segment(number, 1000) for number in range(5000)], CONFIG)

    assert len(chosen) == 256


def test_the_catalogue_is_looked_at_when_there_is_news_and_never_during_a_merge() -> None:
    compactor = Compactor(CONFIG, 100.0)
    assert compactor.look_at() == 100.0, "a new owner looks"
    assert compactor.choose([], 0, 100.0) == []
    assert compactor.look_at() is None

    compactor.notify()
    assert compactor.look_at() == 101.0
    assert compactor.choose([segment(number, 1000) for number in range(11)], 0, 101.0)
    compactor.notify()
    assert compactor.look_at() is None
    compactor.merged()
    assert compactor.look_at() == 102.0


def test_a_compaction_that_fails_is_tried_again_ever_later() -> None:
    compactor = Compactor(CONFIG, 0.0)
    pauses = []
    now = 0.0
    for _ in range(12):
        compactor.choose([segment(number, 1000) for number in range(11)], 0, now)
        compactor.failed(now)
        due = compactor.look_at()
        assert due is not None
        pauses.append(due - now)
        now = due

    assert pauses[:3] == [5.0, 10.0, 20.0]
    assert pauses[-1] == 600.0


def test_compaction_that_is_switched_off_never_looks() -> None:
    compactor = Compactor(ArchiveConfig(compaction=False), 0.0)
    compactor.notify()

    assert compactor.look_at() is None
