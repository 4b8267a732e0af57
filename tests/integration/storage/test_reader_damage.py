"""Reading mail whose files are damaged or replaced: the file is named, and no other mail is shown."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.files.blobs import FileDamaged
from storage.model.mail_query import MailQuery
from tests.integration.storage.factory import Mail, Shard


def damage(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:20])
    else:
        path.write_bytes(b"PAR1" + b"\x07" * 100 + b"PAR1" if path.suffix == ".parquet" else bytes(path.stat().st_size))


@pytest.mark.parametrize("how", ["missing", "cut", "foreign"])
def test_a_damaged_file_is_told_by_its_name(shard: Shard, how: str) -> None:
    user = shard.user()
    names = [shard.store(user, Mail(number)) for number in (1, 2, 3)]
    reader = shard.reader(user)
    for suffix in (".parquet", ".raw.zst", ".split"):
        damage(shard.root / f"{names[1]}{suffix}", how)

    asked: list[Callable[[], object]] = [
        lambda: reader.emails(),
        lambda: reader.emails(MailQuery("morning")),
        lambda: reader.email(2),
        lambda: reader.top_senders(3),
        lambda: reader.defective(3),
    ]
    for ask in asked:
        with pytest.raises(FileDamaged) as told:
            ask()
        assert told.value.name == f"{names[1]}.parquet"
        assert str(shard.root) not in str(told.value)
    with pytest.raises(FileDamaged) as told:
        reader.raw(2)
    assert told.value.name == f"{names[1]}.raw.zst"
    assert reader.raw(1) == Mail(1).raw
    assert reader.email(3) is not None


def test_a_file_of_other_mail_is_damaged(shard: Shard) -> None:
    user, other = shard.user(), shard.user()
    name, foreign = shard.store(user, Mail(1)), shard.store(other, Mail(1))
    for suffix in (".parquet", ".raw.zst", ".split"):
        (shard.root / f"{name}{suffix}").write_bytes((shard.root / f"{foreign}{suffix}").read_bytes())

    with pytest.raises(FileDamaged, match=name):
        shard.reader(user).emails()
    with pytest.raises(FileDamaged, match=name):
        shard.reader(user).email(1)


@pytest.mark.parametrize("how", ["missing", "cut", "foreign"])
def test_a_damaged_word_index_is_told_by_name_and_costs_time_only(
    shard: Shard, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    user = shard.user()
    names = [shard.store(user, Mail(number)) for number in (1, 2, 3)]
    damage(shard.root / f"{names[1]}.split", how)

    assert [mail.id for mail in shard.reader(user).emails(MailQuery("morning")).items] == ["3", "2", "1"]
    assert [mail.id for mail in shard.reader(user).emails(MailQuery("nothing")).items] == []
    told = [record.getMessage() for record in caplog.records]
    assert sorted(text.partition(f"{names[1]}.split")[0] for text in told) == [
        *(["The summaries in "] if how != "missing" else []),
        "The word index ",
    ], "each use of the file is reported once"


def test_users_of_one_word_index_never_see_each_others_mail(shard: Shard) -> None:
    ann, bob = shard.user(), shard.user()
    manifest, index = shard.write((ann, [Mail(1, text="secret of ann")]), (bob, [Mail(1, text="secret of bob")]))
    shard.catalog.commit(shard.plan([ann, bob], manifest), index)

    for user, own, other in ((ann, "ann", "bob"), (bob, "bob", "ann")):
        reader = shard.reader(user)
        assert len(reader.emails(MailQuery(f'"secret of {own}"')).items) == 1
        assert reader.emails(MailQuery(f'"secret of {other}"')).items == ()
        assert len(reader.emails(MailQuery("-nothing")).items) == 1
