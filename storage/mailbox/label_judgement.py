"""Completes the analysers' judgement by what they cannot know: the mailbox's evidence, and Gmail's labels.

An analyser sees one message, no mailbox and no labels, and labels change. Results are therefore joined when they are
read, as of the requested time: single messages here, tables by labelled_judgements.sql. First the mailbox's evidence
(acquaintance.py) decides whether mail of people is work, personal or neither, and its priority; then Gmail's labels
decide both. `source` tells who decided: gmail, mailbox, rules, model (the spam score) or none. `ours` keeps the
category without labels beside Gmail's.
"""

from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

from storage.model.acquaintance import Acquaintance

_SPAM = "SPAM"
#: Gmail's label -> the category that it means; the first one that a message has counts. CATEGORY_PERSONAL is missing:
#: Gmail puts everything there that has no other category, which is no evidence that people know each other.
CATEGORIES: Mapping[str, str] = {
    _SPAM: "spam_like",
    "CATEGORY_PROMOTIONS": "promotion",
    "CATEGORY_SOCIAL": "social",
    "CATEGORY_FORUMS": "newsletter",
    "CATEGORY_UPDATES": "notification",
}
#: Category of Gmail -> categories of the analyser that say the same in more detail, and are kept.
FINER: Mapping[str, frozenset[str]] = {"notification": frozenset({"receipt", "travel"})}
_HIGH = ("STARRED", "IMPORTANT")
#: The labels that decide.
LABELS = (*CATEGORIES, *_HIGH)
#: Spam scores from this on are never of high priority (jobs/analysis/spam.py).
_LIKELY_SPAM = 0.5
#: The analysers whose results are needed to correct a priority.
NEEDED = ("category", "priority", "authenticity")
_FIELDS = {
    "category": {
        "error": pa.string(),
        "name": pa.string(),
        "spam_score": pa.float32(),
        "reasons": pa.list_(pa.string()),
        "source": pa.string(),
        "if_known": pa.string(),
    },
    "priority": {
        "error": pa.string(),
        "level": pa.string(),
        "reasons": pa.list_(pa.string()),
        "source": pa.string(),
        "points": pa.int16(),
    },
    "authenticity": {"warnings": pa.list_(pa.struct([("kind", pa.string()), ("evidence", pa.string())]))},
}

#: Categories that need evidence of the mailbox.
_KNOWN = (None, "work", "personal")
#: Reasons of the analyser that the mailbox's evidence replaces, because senders can forge them.
_FORGEABLE = ("+answer", "+same domain")
#: Messages to a sender from which on the owner wrote to him often, and the most points that evidence adds.
_OFTEN, _MOST_POINTS = 5, 2
#: Points from which on a priority is high, and down to which it is low (jobs/analysis/priority.py).
_HIGH_POINTS, _LOW_POINTS = 4, 0

Results = Mapping[str, Mapping[str, Any]]


def corrected(
    analysis: Results | None, labels: Collection[str], acquaintance: Acquaintance | None = None
) -> dict[str, dict[str, Any]] | None:
    """The results of one message, analyser -> fields, with category and priority decided by labels, then by evidence.

    Args:
        acquaintance: the mailbox's evidence about the writer; None: unknown.
    """
    if analysis is None:
        return None
    said = {name: dict(fields) for name, fields in analysis.items()}
    category, priority = said.get("category", {}), said.get("priority", {})
    if acquaintance is not None and category.get("if_known") is not None:
        _apply_evidence(category, priority, acquaintance)
    if "name" in category and category.get("error") is None:
        _correct_category(category, labels)
    if "level" in priority and priority.get("error") is None:
        _correct_priority(priority, labels, _is_distrusted(analysis))
    return said


def decide(ours: str | None, label: str | None) -> str | None:
    """The category by Gmail's label, if any, and the analyser's."""
    return ours if label is None or _is_finer(ours, label) else CATEGORIES[label]


def _is_finer(ours: str | None, label: str) -> bool:
    return ours in FINER.get(CATEGORIES[label], ())


def _apply_evidence(category: dict[str, Any], priority: dict[str, Any], acquaintance: Acquaintance) -> None:
    evidence = acquaintance.evidence(category["if_known"])
    if category["name"] in _KNOWN:
        category |= {
            "name": category["if_known"] if evidence else None,
            "source": "mailbox" if evidence else "none",
            "reasons": evidence or [acquaintance.doubt()],
        }
    if priority.get("points") is not None:
        others = [reason for reason in priority["reasons"] if reason not in _FORGEABLE]
        level = _level(priority["points"], others, len(evidence), acquaintance)
        reasons = [f"+{reason}" for reason in evidence] or [acquaintance.doubt()]
        source = "none" if level is None else "mailbox" if evidence else "rules"
        priority |= {"level": level, "source": source, "reasons": [*reasons, *others]}


def _level(points: int, reasons: Collection[str], evidence: int, acquaintance: Acquaintance) -> str | None:
    """low, normal, high; None: not told, as of the owner's own mail."""
    if acquaintance.is_sent:
        return None
    if not evidence:
        return "low" if any(reason.startswith("-") for reason in reasons) else None
    points += min(evidence + (acquaintance.written_before >= _OFTEN), _MOST_POINTS)
    return "high" if points >= _HIGH_POINTS else "low" if points <= _LOW_POINTS else "normal"


def _correct_category(category: dict[str, Any], labels: Collection[str]) -> None:
    ours = category["name"]
    category |= {"ours": ours, "source": category.get("source") or _source_of(ours)}
    label = next((label for label in CATEGORIES if label in labels), None)
    if label is not None and not _is_finer(ours, label):
        category |= {"name": CATEGORIES[label], "source": "gmail", "reasons": _added(category, f"label {label}")}


def _correct_priority(priority: dict[str, Any], labels: Collection[str], is_distrusted: bool) -> None:
    priority["source"] = priority.get("source") or ("none" if priority["level"] is None else "rules")
    label = next((label for label in _HIGH if label in labels), None)
    if _SPAM in labels:
        priority |= {"level": "low", "source": "gmail", "reasons": _added(priority, f"-label {_SPAM}")}
    elif label is not None and not is_distrusted:
        priority |= {"level": "high", "source": "gmail", "reasons": _added(priority, f"+label {label}")}


def _is_distrusted(analysis: Results) -> bool:
    """Whether a message must not get a high priority: it has a warning, or reads like spam."""
    score = analysis.get("category", {}).get("spam_score") or 0.0
    return bool(analysis.get("authenticity", {}).get("warnings")) or score >= _LIKELY_SPAM


def _source_of(category: str | None) -> str:
    """The source of a category that an older analyser gave."""
    return "none" if category is None else "model" if category == "spam_like" else "rules"


def _added(fields: Mapping[str, Any], reason: str) -> list[str]:
    return [*(fields.get("reasons") or ()), reason]


def is_judgement(table: pa.Table) -> bool:
    """Whether a table of results has a category or a priority, which must be completed."""
    return "priority" in table.schema.names or "category" in table.schema.names


def completed(table: pa.Table) -> pa.Table:
    """The table with all columns and fields that labelled_judgements.sql reads; those that it lacks are null."""
    for name, fields in _FIELDS.items():
        if name not in table.schema.names:
            kind = pa.struct(list(fields.items()))
            table = table.append_column(name, pa.nulls(table.num_rows, kind))
            continue
        column = table[name].combine_chunks()
        have = [column.type.field(index) for index in range(column.type.num_fields)]
        missing = [pa.field(field, kind) for field, kind in fields.items() if field not in {each.name for each in have}]
        if missing:
            arrays = [
                *(column.field(each.name) for each in have),
                *(pa.nulls(len(column), each.type) for each in missing),
            ]
            whole = pa.StructArray.from_arrays(arrays, fields=[*have, *missing], mask=column.is_null())
            table = table.set_column(table.schema.names.index(name), name, whole)
    return table
