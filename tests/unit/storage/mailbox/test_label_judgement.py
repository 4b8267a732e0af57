"""Results are corrected by labels, and results of other versions are left as they are."""

from typing import Any

import pyarrow as pa
import pytest

from storage.db.sql_files import duckdb_sql
from storage.files import duckdb_engine
from storage.mailbox.label_judgement import REASON, corrected, needs_labels

HIGH: dict[str, Any] = {"priority": {"version": 2, "level": "high", "reasons": ["+answer"]}}
FAILED: dict[str, Any] = {"priority": {"version": 2, "error": "raised", "level": None, "reasons": None}}


@pytest.mark.parametrize(
    ("analysis", "labels", "expected"),
    [
        (None, ["SPAM"], None),
        ({}, ["SPAM"], {}),
        (HIGH, ["INBOX"], HIGH),
        (HIGH, ["SPAM"], {"priority": {"version": 2, "level": "low", "reasons": ["+answer", "-in Spam"]}}),
        (FAILED, ["SPAM"], FAILED),
    ],
)
def test_mail_in_spam_has_a_low_priority(analysis: Any, labels: list[str], expected: Any) -> None:
    assert corrected(analysis, labels) == expected
    assert HIGH["priority"]["level"] == "high"


def test_tables_without_a_priority_are_left_alone() -> None:
    level = pa.struct([("error", pa.string()), ("level", pa.string()), ("reasons", pa.list_(pa.string()))])
    for kind, needed in ((level, True), (pa.struct([("version", pa.int16())]), False)):
        assert needs_labels(pa.schema([("priority", kind)]).empty_table()) is needed
    assert not needs_labels(pa.schema([("category", level)]).empty_table())


def test_a_table_is_corrected_as_single_messages_are() -> None:
    kind = pa.struct([("error", pa.string()), ("level", pa.string()), ("reasons", pa.list_(pa.string()))])
    rows: list[dict[str, Any] | None] = [
        {"error": None, "level": "high", "reasons": ["+answer"]},
        {"error": None, "level": None, "reasons": []},
        {"error": "raised", "level": None, "reasons": None},
        None,
    ]
    ids = list(range(len(rows) * 2))
    analysis = pa.table({"message_id": ids, "priority": pa.array(rows * 2, kind)})
    state = pa.table({"message_id": ids, "labels": [["INBOX"]] * len(rows) + [["SPAM"]] * len(rows)})
    tables = {"analysis": analysis, "state": state}
    found = duckdb_engine.ask(duckdb_sql("corrected_priority"), [], {"reason": REASON}, tables)

    told = [row["priority"] for row in sorted(found.to_pylist(), key=lambda row: row["message_id"])]
    assert told[: len(rows)] == rows
    expected = [corrected({"priority": row}, ["SPAM"]) for row in rows if row]
    assert told[len(rows) :] == [*(each["priority"] for each in expected if each), None]
