"""What analysers say of all mailboxes together, in counts: file by file of the archive, none of which ever changes.

What was counted of a file is kept, by every process for itself, so that an answer after a commit reads what came with
it. Safe from any thread; blocking.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping

import pyarrow as pa

from storage.analytics.analysis_stats import READ
from storage.files import duckdb_engine
from storage.files.blobs import FileMissing, LocalBlobs
from storage.segments import analysis_file

#: Question -> the analysers that it reads, and what is counted of each message (DuckDB), over the table `analysis`.
QUESTIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "categories": (("category",), "SELECT category.name AS what, count(*) AS messages FROM analysis GROUP BY 1"),
    "languages": (("language",), "SELECT language.code AS what, count(*) AS messages FROM analysis GROUP BY 1"),
    "sentiment": (("sentiment",), "SELECT sentiment.label AS what, count(*) AS messages FROM analysis GROUP BY 1"),
    "security": (
        ("authenticity", "attachmentkinds"),
        """
        SELECT unnest(signs) AS what, count(*) AS messages
        FROM (
            SELECT list_filter([
                'analysed',
                CASE WHEN authenticity.spf IN ('fail', 'softfail') THEN 'spf_failed' END,
                CASE WHEN authenticity.dkim = 'fail' THEN 'dkim_failed' END,
                CASE WHEN authenticity.dmarc = 'fail' THEN 'dmarc_failed' END,
                CASE WHEN authenticity.lookalike_of <> '' THEN 'lookalikes' END,
                CASE WHEN authenticity.reply_to_differs THEN 'reply_to_differs' END,
                CASE WHEN authenticity.name_differs THEN 'name_differs' END,
                CASE WHEN attachmentkinds.executables > 0 THEN 'executables' END,
                CASE WHEN attachmentkinds.mismatches > 0 THEN 'disguised_files' END
            ], lambda sign: sign IS NOT NULL) AS signs
            FROM analysis
        )
        GROUP BY 1
        """,
    ),
}
#: Files whose counts are kept.
_MOST = 20_000
Counts = Mapping[str | None, int]


class FleetAnalysisStats:
    """Counts of files, those that were used last."""

    def __init__(self, blobs: LocalBlobs, most: int = _MOST) -> None:
        self._blobs, self._most = blobs, most
        self._kept: OrderedDict[tuple[str, str], Counts] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, question: str, names: list[str]) -> Counter[str | None]:
        """How many messages of these files each answer is about; None: they were not told.

        A file that was replaced meanwhile counts no more, nor yet what took its place.

        Raises:
            FileDamaged.
        """
        total: Counter[str | None] = Counter()
        for name in names:
            try:
                total.update(self._of(question, name))
            except FileMissing:
                continue
        return total

    def _of(self, question: str, name: str) -> Counts:
        with self._lock:
            if (kept := self._kept.get((question, name))) is not None:
                self._kept.move_to_end((question, name))
                return kept
        analysers, statement = QUESTIONS[question]
        schema = pa.schema([pa.field(each, pa.struct(READ[each])) for each in analysers])
        with analysis_file.opened(self._blobs, name) as parquet:
            there = [each for each in analysers if each in parquet.schema_arrow.names]
            table = parquet.read(columns=there or analysis_file.KEYS.names, use_threads=False)
            conformed = analysis_file.conformed(table, schema)
        rows = duckdb_engine.ask(statement, [], {}, {"analysis": conformed}).to_pylist()
        counts = {row["what"]: row["messages"] for row in rows}
        with self._lock:
            self._kept[question, name] = counts
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return counts
