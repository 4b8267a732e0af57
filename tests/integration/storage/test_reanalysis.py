"""What was stored is analysed again from its files, and what other analysers said of it stays."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.isolation.config import ParseLimits
from jobs.mime.message import ParsedMessage
from jobs.mime.parser import parse
from jobs.reanalysis import Analysers, messages_of, reanalyse
from storage.files.blobs import FileDamaged
from storage.mailbox.analysis_reader import Analyses
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX
from tests.integration.storage.factory import Mail, Shard
from tests.integration.storage.mailbox.test_analysis_reader import column, mails

ATTACHED = b"""From: Ann <ann@example.com>
Subject: Two parts
Date: Wed, 1 May 2024 12:00:00 +0200
Message-ID: <1@example.com>
References: <0@example.com> <00@example.com>
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

Hello.
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename="bill.pdf"

%PDF-1.4
--b--
"""


def run(messages: Sequence[ParsedMessage], names: Sequence[str]) -> pa.Table:
    """Every analyser says its own name and the subject."""
    columns = {name: column(name, 2, said=[f"{name} {one.subject}" for one in messages])[name] for name in names}
    return pa.table(columns)


ANALYSERS = Analysers({"echo": 2, "other": 2}, run)


def store(shard: Shard, user_id: int, analysers: Analysers | None = None) -> str:
    return shard.store(user_id, *mails(1, 2, 3), analyse=analysers.all if analysers else None)


def again(shard: Shard, segment: str, names: Sequence[str], analysers: Analysers = ANALYSERS) -> None:
    [old] = [one.analysis for one in shard.catalog.analysed(shard.shard_id) if one.name == segment]
    new = reanalyse(shard.archive, segment, shard.lease.epoch, old, names, analysers)
    assert shard.catalog.reanalysed(shard.lease, segment, old, new)


def endless(messages: Sequence[ParsedMessage], names: Sequence[str]) -> pa.Table:
    """The same, but for a message on which it never ends."""
    while any(one.subject == "Mail 2" for one in messages):
        pass
    return run(messages, names)


def test_a_child_process_says_what_this_one_says_and_an_endless_analysis_costs_only_its_message(shard: Shard) -> None:
    user = shard.user()
    segment = store(shard, user)
    [old] = [one.analysis for one in shard.catalog.analysed(shard.shard_id)]
    limits = ParseLimits(message_s=1, mebibyte_s=0.1)
    asked = shard.archive, segment, shard.lease.epoch, old, ["echo", "other"]

    def said(analysers: Analysers, limits: ParseLimits | None = None) -> list[str]:
        name = reanalyse(*asked, analysers, limits).name
        return [row["said"] for row in pq.read_table(shard.root / name)["echo"].to_pylist()]

    here = said(replace(ANALYSERS, exact=frozenset({"echo"})))
    assert here == ["echo Mail 1", "echo Mail 2", "echo Mail 3"]
    assert said(replace(ANALYSERS, exact=frozenset({"echo"})), limits) == here
    assert said(replace(ANALYSERS, run=endless), limits) == ["echo Mail 1", "echo ", "echo Mail 3"]


def test_messages_come_back_as_they_were_parsed(shard: Shard) -> None:
    user = shard.user()
    segment = shard.store(user, Mail(1, content=ATTACHED), Mail(2, subject="Grüße"))

    rows = pq.read_table(shard.root / (segment + PARQUET_SUFFIX))

    parsed = [parse(ATTACHED), parse(Mail(2, subject="Grüße").raw)]
    expected = [message._replace(heads=[]) for message in parsed]  # which no column holds
    found = messages_of(rows)
    assert [listed(one) for one in found] == [listed(one) for one in expected]


def listed(message: ParsedMessage) -> list[object]:
    """Its fields, sequences as lists, whichever they are."""
    return [list(value) if isinstance(value, list | tuple) else value for value in message]


def test_only_the_analysers_that_are_asked_answer_anew(shard: Shard) -> None:
    user = shard.user()
    segment = store(shard, user, replace(ANALYSERS, run=lambda messages, names: first(run(messages, names))))
    before = Analyses(user, shard.engine, shard.blobs).of(2)
    assert before is not None and before["other"] == {"version": 1, "said": "other Mail 2"}

    again(shard, segment, ["echo"])

    after = Analyses(user, shard.engine, shard.blobs).of(2)
    assert after == {"echo": {"version": 2, "said": "echo Mail 2"}, "other": before["other"]}
    [stored] = shard.catalog.analysed(shard.shard_id)
    assert ANALYSERS.outdated(stored.versions) == ["other"]
    assert ANALYSERS.outdated(stored.versions, ["echo"]) == []


def first(table: pa.Table) -> pa.Table:
    """The same answers, of version 1."""
    return pa.table(
        {
            name: column(name, 1, said=[row["said"] for row in table[name].to_pylist()])[name]
            for name in table.column_names
        }
    )


def test_what_was_never_analysed_is(shard: Shard) -> None:
    user = shard.user()
    segment = store(shard, user)

    again(shard, segment, ["echo", "other"])

    assert Analyses(user, shard.engine, shard.blobs).table().num_rows == 3
    [stored] = shard.catalog.analysed(shard.shard_id)
    assert ANALYSERS.outdated(stored.versions) == []


@pytest.mark.parametrize("damaged", [False, True])
def test_who_needs_exact_bytes_is_given_them_where_they_are_whole(shard: Shard, damaged: bool) -> None:
    user = shard.user()
    segment = store(shard, user)
    seen: list[ParsedMessage] = []

    def watched(messages: Sequence[ParsedMessage], names: Sequence[str]) -> pa.Table:
        seen.extend(messages)
        return run(messages, names)

    path = shard.root / (segment + RAW_SUFFIX)
    if damaged:
        data = bytearray(path.read_bytes())
        data[20:30] = bytes(10)
        path.write_bytes(data)
    again(shard, segment, ["echo"], replace(ANALYSERS, run=watched, exact=frozenset({"echo"})))

    assert [one.subject for one in seen] == ["Mail 1", "Mail 2", "Mail 3"]
    analysis = Analyses(user, shard.engine, shard.blobs).of(3)
    assert analysis == {"echo": {"version": 2, "said": "echo Mail 3"}}


def test_a_damaged_former_analysis_is_left_out_and_a_damaged_segment_is_told(shard: Shard) -> None:
    user = shard.user()
    segment = store(shard, user, ANALYSERS)
    [old] = [one.analysis for one in shard.catalog.analysed(shard.shard_id)]
    (shard.root / str(old)).write_bytes(b"PAR1")

    again(shard, segment, ["echo"])

    assert Analyses(user, shard.engine, shard.blobs).of(1) == {"echo": {"version": 2, "said": "echo Mail 1"}}
    (shard.root / (segment + PARQUET_SUFFIX)).write_bytes(b"PAR1")
    with pytest.raises(FileDamaged) as caught:
        again(shard, segment, ["other"])
    assert caught.value.name == segment + PARQUET_SUFFIX
