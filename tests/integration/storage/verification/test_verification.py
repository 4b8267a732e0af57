"""`Verification`: everything is counted, and every change of a stored byte is found and named."""

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from storage.catalog.compaction import Compactions
from storage.db.engines import transaction
from storage.files.kept_answers import KeptAnswers
from storage.recovery.rollup_writer import roll_up
from storage.segments.merge.merge import merge
from storage.verification.repair import repaired
from storage.verification.verification import Subset, Verification, Verified
from tests.integration.storage.factory import Mail, Shard, echo

#: Seeded places of flipped bits, in turn over the files: each costs some 30 ms.
_FLIPS, _MANY = 60, 500


def mail(first: int, count: int = 40) -> list[Mail]:
    return [Mail(first + n, subject=f"Number {first + n}", text=f"word{first + n} " * 30) for n in range(count)]


class Filled:
    """A shard with every kind of file."""

    def __init__(self, shard: Shard) -> None:
        self.shard, self.user = shard, shard.user()
        shard.store(self.user, *mail(1), analyse=echo)
        shard.store(self.user, *mail(101), analyse=echo)
        assert roll_up(shard.engine, shard.blobs, shard.lease)
        KeptAnswers(shard.blobs).keep(self.user, 7, b'{"id": "7"}' * 50)

    def verify(self, user: bool = True, subset: Subset | None = None) -> Verified:
        shard = self.shard
        return Verification(shard.engine, shard.blobs, shard.shard_id, self.user if user else None, subset).run()

    def files(self) -> list[str]:
        folders = (f"{self.shard.shard_id:04d}", f"unreadable/{self.user}")
        return sorted(blob.name for folder in folders for blob in self.shard.blobs.list(folder))

    def forget_digests(self) -> None:
        with transaction(self.shard.engine) as connection:
            connection.execute(text("DELETE FROM file_digests WHERE shard_id = :id"), {"id": self.shard.shard_id})


@pytest.fixture
def filled(shard: Shard) -> Filled:
    return Filled(shard)


def flipped(path: Path, random_: random.Random) -> tuple[int, int]:
    """Flip one bit of a file; the byte and the bit."""
    data = bytearray(path.read_bytes())
    place, bit = random_.randrange(len(data)), random_.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return place, bit


def test_an_intact_mailbox_is_verified_whole(filled: Filled) -> None:
    for user in (True, False):
        found = filled.verify(user)

        assert found.is_whole
        assert (found.mailboxes[filled.user].intact, found.mailboxes[filled.user].messages) == (80, 80)
        assert (found.files, found.fresh) == (len(filled.files()), 0)
        assert found.files == 10  # of two segments four each, a roll-up, an answer
        assert found.mail_bytes == sum(len(each.raw) for each in [*mail(1), *mail(101)])


@pytest.mark.parametrize("flips", [_FLIPS, pytest.param(_MANY, marks=pytest.mark.slow)])
def test_every_flipped_bit_is_found_and_its_file_named(filled: Filled, flips: int) -> None:
    random_, files = random.Random(flips), filled.files()
    kinds = {name.split(".", 1)[1][-12:] for name in files}
    assert len(kinds) == 7, kinds  # two analyses have names of their own
    for number in range(flips):
        name = files[number % len(files)]
        path = Path(filled.shard.blobs.location(name))
        before = path.read_bytes()
        where = flipped(path, random_)

        found = filled.verify()

        assert [damage.file for damage in found.damaged] == [name], where
        path.write_bytes(before)
    assert filled.verify().is_whole


def test_a_damaged_frame_names_its_messages_and_no_other(filled: Filled) -> None:
    user = filled.user
    name = filled.shard.store(user, *mail(201, 3)) + ".raw.zst"
    path = Path(filled.shard.blobs.location(name))
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)

    found = filled.verify()

    [damage] = found.damaged
    assert (damage.file, damage.messages) == (name, {user: [201, 202, 203]})
    assert (found.mailboxes[user].intact, found.mailboxes[user].messages) == (80, 83)
    assert found.mailboxes[user].damaged == {201, 202, 203}


def test_files_without_a_digest_are_checked_by_their_structure_and_recorded(filled: Filled) -> None:
    filled.forget_digests()
    path = Path(filled.shard.blobs.location(next(name for name in filled.files() if name.endswith(".parquet"))))
    before = path.read_bytes()
    data = bytearray(before)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(0)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    data[start + chunk.total_compressed_size - 1] ^= 4  # the last byte of a page, which has a checksum
    path.write_bytes(data)

    assert [damage.file for damage in filled.verify().damaged] == [
        filled.shard.blobs.location(path.name) and f"{path.parent.name}/{path.name}"
    ]
    path.write_bytes(before)

    assert filled.verify().fresh == 1
    again = filled.verify()
    assert (again.is_whole, again.fresh) == (True, 0)


@pytest.mark.parametrize("suffix", [".raw.zst", ".parquet", ".split", ".analysis", ".rollup"])
def test_a_lost_or_shortened_file_is_named(filled: Filled, suffix: str) -> None:
    name = next(name for name in filled.files() if name.endswith(suffix))
    path = Path(filled.shard.blobs.location(name))
    whole = path.read_bytes()
    for content in (whole[:-1], b"", None):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)

        found = filled.verify()

        assert [damage.file for damage in found.damaged] == [name]
        lost = 40 if suffix == ".raw.zst" and not content else 0
        assert found.mailboxes[filled.user].intact == 80 - lost or content
        assert found.mailboxes[filled.user].messages == 80


@pytest.mark.parametrize(
    ("change", "ids"),
    [
        ("UPDATE messages SET sha256 = decode('00', 'hex') WHERE user_id = :user_id AND message_id = 5", {5}),
        ("UPDATE messages SET frame_offset = 3 WHERE user_id = :user_id AND message_id = 101", {101}),
        ("DELETE FROM messages WHERE user_id = :user_id AND message_id = 9", {9}),
        ("UPDATE messages SET segment_id = -1 WHERE user_id = :user_id AND message_id = 11", {11}),
    ],
)
def test_what_the_index_says_wrongly_is_named(filled: Filled, change: str, ids: set[int]) -> None:
    with transaction(filled.shard.engine) as connection:
        connection.execute(text(change), {"user_id": filled.user})

    found = filled.verify()

    assert not found.is_whole
    assert found.mailboxes[filled.user].damaged == ids
    assert {damage.file for damage in found.damaged} == {"message index"}


def test_rows_of_the_index_that_no_file_has_are_named(filled: Filled) -> None:
    with transaction(filled.shard.engine) as connection:
        statement = """
            INSERT INTO messages (user_id, message_id, thread_id, history_id, received_at, labels, size_bytes, sha256,
                segment_id, frame_offset, frame_bytes, raw_offset)
            SELECT user_id, 999, thread_id, history_id, received_at, labels, size_bytes, sha256, segment_id,
                frame_offset, frame_bytes, raw_offset
            FROM messages WHERE user_id = :user_id AND message_id = 1
        """
        connection.execute(text(statement), {"user_id": filled.user})

    found = filled.verify()

    assert found.mailboxes[filled.user].damaged == {999}
    assert (found.mailboxes[filled.user].intact, found.mailboxes[filled.user].messages) == (80, 81)


def test_the_parts_of_a_mailbox_are_the_whole(filled: Filled) -> None:
    parts = [filled.verify(subset=Subset(number, 3)) for number in (1, 2, 3)]

    assert all(part.is_whole for part in parts)
    assert sum(part.files for part in parts) == 10
    assert sum(part.mailboxes[filled.user].messages for part in parts) == 80


def test_a_merged_segment_is_whole_and_a_merge_meanwhile_is_no_damage(filled: Filled) -> None:
    shard = filled.shard
    analyses = shard.analyses()
    merged, moved = merge(shard.blobs, shard.archive, shard.shard_id, shard.lease.epoch, list(analyses), analyses)
    verification = Verification(shard.engine, shard.blobs, shard.shard_id, filled.user)
    rows = verification._live()
    Compactions(shard.engine).commit(shard.lease, merged, moved)
    assert [verification._segment(row).compared[filled.user].differ for row in rows] != [[], []]

    found = verification.run()

    assert found.is_whole
    assert found.mailboxes[filled.user].intact == 80
    assert found.fresh == 0


def test_a_damaged_file_is_repaired_from_a_copy_of_the_archive(filled: Filled, tmp_path: Path) -> None:
    shard, copy = filled.shard, tmp_path / "copy"
    random_ = random.Random(1)
    for name in filled.files():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(shard.blobs.location(name)).read_bytes())
    names = [name for name in filled.files() if not name.startswith("unreadable")]
    for name in names:
        flipped(Path(shard.blobs.location(name)), random_)
    flipped(copy / names[0], random_)

    found = filled.verify()
    mended = set(repaired(shard.engine, shard.blobs, type(shard.blobs)(copy), [each.file for each in found.damaged]))

    assert mended == set(names[1:])
    assert [damage.file for damage in filled.verify().damaged] == names[:1]
