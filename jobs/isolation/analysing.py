"""Analyses stored mail in a child process, so that a message that stops an analyser costs its own analysis only.

A batch that exceeds a limit is analysed message by message; the message at fault gets the analysis of an empty one.
"""

import logging
from collections.abc import Callable, Sequence

import pyarrow as pa

from jobs.isolation.config import ParseLimits
from jobs.isolation.steps import FAILED, StepProcess, Stopped
from storage.model.results import UNPARSABLE

_LOG = logging.getLogger(__name__)
#: The module that the child runs.
CHILD = "jobs.isolation.analysing_child"


class IsolatedAnalysis:
    """Owns the child process. Not thread-safe."""

    def __init__(self, limits: ParseLimits, run: Callable[..., pa.Table]) -> None:
        """`run`: of jobs.reanalysis.Analysers; pickled, so it must be importable by name."""
        self._limits, self._child = limits, StepProcess(CHILD, [str(limits.memory_bytes)], run)

    def run(self, rows: pa.Table, raws: Sequence[bytes | None], names: Sequence[str]) -> pa.Table:
        """One struct per named analyser; the rows match the messages.

        Args:
            rows: schemas.MESSAGES. raws: exact bytes of the messages that are parsed again; None: as in the row.

        Raises:
            IsolationFailed, RuntimeError: no message is at fault.
        """
        try:
            return self._ask(rows, raws, names)
        except Stopped as stopped:
            if stopped.code == FAILED:
                raise RuntimeError(stopped.reason) from stopped
            if rows.num_rows > 1:
                singles = [rows.slice(number, 1) for number in range(rows.num_rows)]
                return pa.concat_tables(
                    [self.run(row, [raw], names) for row, raw in zip(singles, raws, strict=True)],
                    promote_options="default",
                )
            _LOG.warning("The analysis of a message was stopped (%s)", stopped.code)
        try:
            return self._ask(_marked(rows), [None], names)
        except Stopped as stopped:
            raise RuntimeError(f"an empty message: {stopped.code} {stopped.reason}") from stopped

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def _ask(self, rows: pa.Table, raws: Sequence[bytes | None], names: Sequence[str]) -> pa.Table:
        size = rows.nbytes + sum(len(raw) for raw in raws if raw is not None)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        asked = (sink.getvalue().to_pybytes(), list(raws), tuple(names))
        table = pa.ipc.open_stream(self._child.ask("analyse", asked, self._limits.cpu_s(size))).read_all()
        if table.num_rows != rows.num_rows:
            raise RuntimeError(f"{table.num_rows} results for {rows.num_rows} messages")
        return table


def _marked(row: pa.Table) -> pa.Table:
    """The row of a message that must not be parsed: it is analysed as an empty one."""
    column = pa.array([[sorted(UNPARSABLE)[0]]], row.schema.field("defects").type)
    return row.set_column(row.schema.get_field_index("defects"), row.schema.field("defects"), column)
