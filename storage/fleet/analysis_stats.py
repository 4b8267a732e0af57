"""Counts of analysers' results over all mailboxes, cached per analysis file. A file never changes.

Every process has its own cache, so after a commit only the new files are read. Safe from any thread; blocking.
"""

import threading
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
from cachetools import LRUCache

from storage.analytics.analysis_stats import READ
from storage.files import duckdb_engine
from storage.files.blobs import FileMissing, LocalBlobs
from storage.segments import analysis_file

#: Question -> the analysers that it reads, and DuckDB SQL over the table `analysis` that counts the messages.
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
#: Files whose counts are cached.
_MOST = 20_000
Counts = Mapping[str | None, int]


class FleetAnalysisStats:
    """Least recently used cache of files' counts."""

    def __init__(self, blobs: LocalBlobs, most: int = _MOST) -> None:
        self._blobs = blobs
        self._kept: LRUCache[tuple[str, str], Counts] = LRUCache(most)
        self._lock = threading.Lock()

    def of(self, question: str, names: list[str]) -> Counter[str | None]:
        """The number of messages of these files by result; None: no result.

        A file that was replaced since is not counted, nor is its replacement yet.

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
                return kept
        analysers, statement = QUESTIONS[question]
        schema = pa.schema([pa.field(analyser, pa.struct(READ[analyser])) for analyser in analysers])
        with analysis_file.opened(self._blobs, name) as parquet:
            there = [analyser for analyser in analysers if analyser in parquet.schema_arrow.names]
            table = parquet.read(columns=there or analysis_file.KEYS.names, use_threads=False)
            conformed = analysis_file.conformed(table, schema)
        rows = duckdb_engine.ask(statement, [], {}, {"analysis": conformed}).to_pylist()
        counts = {row["what"]: row["messages"] for row in rows}
        with self._lock:
            self._kept[question, name] = counts
        return counts
