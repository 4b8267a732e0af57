"""Gmail's labels decide before the analysers, and tables are corrected as single messages are."""

import dataclasses
from typing import Any

import pyarrow as pa
import pytest

from storage.db.sql_files import duckdb_sql
from storage.files import duckdb_engine
from storage.mailbox import label_judgement
from storage.mailbox.acquaintance import SCHEMA
from storage.mailbox.label_judgement import corrected, is_judgement
from storage.model.acquaintance import Acquaintance


def judged(
    name: str | None = None, level: str | None = None, score: float = 0.0, warned: bool = False, **more: Any
) -> dict[str, Any]:
    """Results as analysers wrote them before they said who decided."""
    return {
        "category": {"error": None, "name": name, "spam_score": score, "reasons": ["a reason"], **more},
        "priority": {"error": None, "level": level, "reasons": []},
        "authenticity": {"warnings": [{"kind": "known_name", "evidence": "a name"}] if warned else []},
    }


FAILED = {
    "category": {"error": "raised", "name": None, "spam_score": None, "reasons": None},
    "priority": {"error": "raised", "level": None, "reasons": None},
    "authenticity": {"warnings": None},
}


@pytest.mark.parametrize(
    ("analysis", "labels", "category", "priority"),
    [
        (judged(), ["INBOX"], (None, "none", None), (None, "none")),
        (judged("work", "high"), ["INBOX", "CATEGORY_PERSONAL"], ("work", "rules", "work"), ("high", "rules")),
        (judged("spam_like", "low"), [], ("spam_like", "model", "spam_like"), ("low", "rules")),
        (judged("work", "high"), ["SPAM", "IMPORTANT"], ("spam_like", "gmail", "work"), ("low", "gmail")),
        (judged("newsletter"), ["CATEGORY_PROMOTIONS"], ("promotion", "gmail", "newsletter"), (None, "none")),
        (judged(), ["CATEGORY_SOCIAL", "IMPORTANT"], ("social", "gmail", None), ("high", "gmail")),
        (judged("receipt"), ["CATEGORY_UPDATES", "STARRED"], ("receipt", "rules", "receipt"), ("high", "gmail")),
        (judged("work"), ["CATEGORY_UPDATES"], ("notification", "gmail", "work"), (None, "none")),
        (judged(None, "low", warned=True), ["IMPORTANT"], (None, "none", None), ("low", "rules")),
        (judged(None, "low", 0.7), ["STARRED"], (None, "none", None), ("low", "rules")),
        (
            judged("spam_like", source="model"),
            ["CATEGORY_FORUMS"],
            ("newsletter", "gmail", "spam_like"),
            (None, "none"),
        ),
    ],
)
def test_labels_decide_first(analysis: Any, labels: list[str], category: Any, priority: Any) -> None:
    said = corrected(analysis, labels)
    assert said is not None
    assert (said["category"]["name"], said["category"]["source"], said["category"]["ours"]) == category
    assert (said["priority"]["level"], said["priority"]["source"]) == priority
    assert "ours" not in analysis["category"], "the results that were handed in are changed"


@pytest.mark.parametrize("analysis", [None, {}, FAILED, {"language": {"version": 1, "code": "en"}}])
def test_results_without_a_judgement_are_left_alone(analysis: Any) -> None:
    assert corrected(analysis, ["SPAM"]) == analysis


def test_only_tables_with_a_judgement_need_labels() -> None:
    assert is_judgement(pa.table({"priority": []}))
    assert is_judgement(pa.table({"category": []}))
    assert not is_judgement(pa.table({"language": []}))


LABELS: tuple[list[str], ...] = (
    [],
    ["INBOX"],
    ["SPAM"],
    ["IMPORTANT"],
    ["STARRED", "CATEGORY_UPDATES"],
    ["CATEGORY_PROMOTIONS", "CATEGORY_SOCIAL"],
    ["CATEGORY_FORUMS", "IMPORTANT", "SPAM"],
)


PEOPLE = [
    Acquaintance(*counts, is_same_domain=domain, is_sent=sent)
    for counts in ((0, 0, 0), (3, 0, 0), (1, 1, 0), (0, 7, 0), (2, 0, 1), (9, 9, 9))
    for domain, sent in ((False, False), (True, False), (False, True))
]
KNOWN = pa.Table.from_pylist(
    [{"message_id": number, **dataclasses.asdict(each)} for number, each in enumerate(PEOPLE)], SCHEMA
)


@pytest.mark.parametrize("source", [True, False], ids=["current", "older"])
def test_a_table_is_corrected_as_single_messages_are(source: bool) -> None:
    results = [
        *(judged(name, level) for name in (None, "work", "receipt", "spam_like") for level in (None, "low", "high")),
        judged("work", "high", 0.9),
        judged("work", "high", warned=True),
        FAILED,
    ]
    rows = [(each, labels) for each in results for labels in LABELS]
    warnings = pa.list_(pa.struct([("kind", pa.string()), ("evidence", pa.string())]))
    texts, said = pa.list_(pa.string()), [("source", pa.string())] if source else []
    kinds = {
        "category": pa.struct(
            [("error", pa.string()), ("name", pa.string()), ("spam_score", pa.float32()), ("reasons", texts), *said]
        ),
        "priority": pa.struct([("error", pa.string()), ("level", pa.string()), ("reasons", texts), *said]),
        "authenticity": pa.struct([("warnings", warnings)]),
    }
    ids = list(range(len(rows)))
    analysis = pa.table(
        {"message_id": ids, **{name: pa.array([each[name] for each, _ in rows], kind) for name, kind in kinds.items()}}
    )
    state = pa.table({"message_id": ids, "labels": pa.array([labels for _, labels in rows], texts)})
    found = ask(analysis, state, KNOWN.slice(0, 0))

    for row, (each, labels) in zip(found, rows, strict=True):
        expected = corrected(each, labels)
        assert expected is not None
        for name in ("category", "priority"):
            wanted = {"source": None, "ours": None, **expected[name]}
            assert {key: wanted.get(key) for key in row[name]} == row[name] | {
                key: pytest.approx(value) for key, value in row[name].items() if isinstance(value, float)
            }, (each, labels)


def test_missing_analysers_and_messages_without_results_are_null() -> None:
    level = pa.struct([("error", pa.string()), ("level", pa.string()), ("reasons", pa.list_(pa.string()))])
    rows = [{"error": None, "level": "high", "reasons": ["+answer"]}, None]
    analysis = pa.table({"message_id": [1, 2], "priority": pa.array(rows, level)})
    found = ask(analysis, pa.table({"message_id": [1, 2], "labels": [["SPAM"], ["SPAM"]]}), KNOWN.slice(0, 0))

    assert found[0]["priority"]["level"] == "low"
    assert found[1]["priority"] is None
    assert [row["category"] for row in found] == [None, None]


def test_evidence_of_the_mailbox_decides_about_people() -> None:
    """A table is completed as single messages are, for every kind of evidence."""
    results = [
        {
            "category": {**judged(name)["category"], "source": "rules", "if_known": known},
            "priority": {"error": None, "level": None, "source": "none", "reasons": reasons, "points": points},
            "authenticity": {"warnings": []},
        }
        for name in (None, "work", "personal", "receipt")
        for known in (None, "work", "personal")
        for points, reasons in ((None, ["-bulk"]), (0, ["-automatic"]), (1, ["+answer"]), (3, ["+answer", "+few"]))
    ]
    rows = [
        (result, labels, number)
        for result in results
        for labels in ([], ["IMPORTANT"], ["SPAM"], ["CATEGORY_UPDATES"])
        for number in range(len(PEOPLE))
    ]
    texts = pa.list_(pa.string())
    ids = list(range(len(rows)))
    analysis = pa.table({"message_id": ids})
    for name in ("category", "priority", "authenticity"):
        kind = pa.struct(list(label_judgement._FIELDS[name].items()))
        analysis = analysis.append_column(name, pa.array([row[0][name] for row in rows], kind))
    state = pa.table({"message_id": ids, "labels": pa.array([row[1] for row in rows], texts)})
    people = [{"message_id": number, **dataclasses.asdict(PEOPLE[row[2]])} for number, row in enumerate(rows)]

    found = ask(analysis, state, pa.Table.from_pylist(people, SCHEMA))
    for row, (result, labels, number) in zip(found, rows, strict=True):
        expected = corrected(result, labels, PEOPLE[number])
        assert expected is not None
        assert row["category"] == expected["category"], (result, labels, PEOPLE[number])
        assert row["priority"] == expected["priority"], (result, labels, PEOPLE[number])


@pytest.mark.parametrize(
    ("acquaintance", "category", "priority"),
    [
        (Acquaintance(0, 0, 0, False, False), (None, "none"), (None, "none")),
        (Acquaintance(9, 0, 0, False, False), (None, "none"), (None, "none")),
        (Acquaintance(0, 1, 0, False, False), ("work", "mailbox"), ("normal", "mailbox")),
        (Acquaintance(0, 5, 0, False, False), ("work", "mailbox"), ("high", "mailbox")),
        (Acquaintance(0, 0, 2, True, False), ("work", "mailbox"), ("high", "mailbox")),
        (Acquaintance(0, 0, 0, False, True), ("work", "mailbox"), (None, "none")),
    ],
)
def test_who_was_answered_is_known(acquaintance: Acquaintance, category: Any, priority: Any) -> None:
    analysis = judged("work", "high", if_known="work")
    analysis["priority"] |= {"points": 2, "reasons": ["+answer", "+to few"]}
    said = corrected(analysis, ["INBOX"], acquaintance)
    assert said is not None
    assert (said["category"]["name"], said["category"]["source"]) == category
    assert (said["priority"]["level"], said["priority"]["source"]) == priority
    assert "+answer" not in said["priority"]["reasons"], "the sender can forge it"


def ask(analysis: pa.Table, state: pa.Table, acquaintances: pa.Table) -> list[dict[str, Any]]:
    tables = {"analysis": label_judgement.completed(analysis), "state": state, "acquaintances": acquaintances}
    found = duckdb_engine.ask(duckdb_sql("labelled_judgements"), [], {}, tables).to_pylist()
    return sorted(found, key=lambda row: row["message_id"])
