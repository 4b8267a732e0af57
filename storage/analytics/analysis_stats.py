"""Statistics of analysers' results for one mailbox: categories, languages, sentiment, signs of forgery.

Covers the messages of a `MailboxStats` and raises the same errors. Messages without a result are counted as such.
Blocking: call it from a thread.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

import pyarrow as pa

from storage.analytics.stats import MailboxStats, Row
from storage.mailbox.label_judgement import CATEGORIES, decide
from storage.model.message_id import to_hex

_VERSION = pa.field("version", pa.int16())
#: The fields of each analyser that the queries below read; an archive's files may have fewer fields, or more.
READ = {
    "category": [_VERSION, *(pa.field(name, pa.string()) for name in ("error", "name", "if_known"))],
    "language": [_VERSION, pa.field("code", pa.string())],
    "sentiment": [_VERSION, pa.field("label", pa.string()), pa.field("score", pa.float32())],
    "authenticity": [
        _VERSION,
        *(pa.field(name, pa.string()) for name in ("spf", "dkim", "dmarc", "lookalike_of")),
        *(pa.field(name, pa.bool_()) for name in ("reply_to_differs", "name_differs")),
    ],
    "attachmentkinds": [_VERSION, pa.field("mismatches", pa.int32()), pa.field("executables", pa.int32())],
}
_TOTALS = (
    *("messages", "analysed", "checked", "spf_failed", "dkim_failed", "dmarc_failed", "lookalikes", "reply_to_differs"),
    *("name_differs", "executables", "disguised_files"),
)


class AnalysisStats:
    """Aggregates the analysers' results for one user's mail."""

    def __init__(self, stats: MailboxStats) -> None:
        self._stats = stats

    def categories(self) -> tuple[list[Row], list[Row]]:
        """{category, messages, size_bytes}, and Gmail's categories with {category, messages, agreed, undecided}.

        Most messages first. In the first, Gmail's labels decide, then the mailbox's evidence and the analyser; None
        means: not analysed, or no evidence for a category. The second counts the analysed messages that Gmail
        categorised; agreed: the analyser says the same; undecided: the analyser says nothing.
        """
        totals: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
        agreement: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
        for row in self._ask("categories", "category", labels=tuple(CATEGORIES), acquaintances=True):
            ours, messages = row["ours"], row["messages"]
            said = decide(ours, row["label"]) if row["analysed"] else None
            totals[said].update(messages=messages, size_bytes=row["size_bytes"])
            if row["analysed"] and row["label"] is not None:
                agreed = messages if ours == said else 0
                undecided = 0 if ours else messages
                agreement[CATEGORIES[row["label"]]].update(messages=messages, agreed=agreed, undecided=undecided)
        return _by_category(totals), _by_category(agreement)

    def languages(self) -> list[Row]:
        """{language, messages, size_bytes}, most messages first; None: not analysed, or no language detected."""
        return self._ask("languages", "language")

    def sentiment(self) -> tuple[list[Row], list[Row]]:
        """{label, messages, score} of all messages, and {month, messages, score} of those with a score, oldest first.

        label: None: not analysed, or in an unsupported language. score: the mean, -1 to 1. month: naive UTC.
        """
        rows = self._ask("sentiments", "sentiment")
        return _summed(rows, "label"), _summed([row for row in rows if row["label"] is not None], "month")

    def security(self, limit: int) -> tuple[Row, list[Row]]:
        """Number of messages with each sign, and {id, received_at, sender, subject, and the signs}, newest first."""
        totals = self._ask("security_totals", "authenticity", "attachmentkinds")
        signs = self._ask("security_signs", "authenticity", "attachmentkinds", limit=limit)
        counts = totals[0] if totals else dict.fromkeys(_TOTALS, 0)
        return counts, [{"id": to_hex(row.pop("message_id")), **row} for row in signs]

    def _ask(
        self,
        question: str,
        *analysers: str,
        labels: tuple[str, ...] = (),
        acquaintances: bool = False,
        **values: object,
    ) -> list[Row]:
        schema = pa.schema([pa.field(name, pa.struct(READ[name])) for name in analysers])
        return self._stats.of_content(question, values, labels, schema, acquaintances=acquaintances)


def _by_category(counts: Mapping[str | None, Mapping[str, int]]) -> list[Row]:
    rows: list[Row] = [{"category": category, **count} for category, count in counts.items()]
    return sorted(rows, key=lambda row: (-row["messages"], row["category"] is None, row["category"] or ""))


def _summed(rows: list[Row], key: str) -> list[Row]:
    messages: defaultdict[object, int] = defaultdict(int)
    scores: defaultdict[object, float] = defaultdict(float)
    for row in rows:
        messages[row[key]] += row["messages"]
        scores[row[key]] += row["score"] or 0.0
    return [
        {key: value, "messages": count, "score": scores[value] / count if key != "label" or value is not None else None}
        for value, count in messages.items()
    ]
