"""Analysers of other packages: entry points of the group `gbm.analysers`.

An entry point has the name of its analyser's column; its value is callable without arguments and returns an `Analyser`.
Plug-ins never run in this process: they are loaded and called in one child process (`pluginchild.py`), started on first
use, with no secrets in its environment and a memory limit. When a message takes too long, the child is killed; the next
message starts it again. This protects against faults, not against malicious code: install only packages you trust.
"""

import pickle
import threading
from collections.abc import Collection
from importlib.metadata import EntryPoint, entry_points

import pyarrow as pa

from jobs.analysis.analyser import AnalyserRefused, AnalysisFailed, check
from jobs.analysis.config import AnalysisConfig
from jobs.analysis.mail import Mail
from jobs.analysis.pluginchild import FAILED, GROUP, NOTHING, REFUSED, VALUE
from jobs.isolation.process import ChildFailed, ChildProcess

#: Most bytes of one answer; a longer one is rejected.
_MOST_ANSWER_BYTES = 1 << 20
_CODES = frozenset({"raised", "out-of-memory", "bad-answer"})


class Plugin:
    """An analyser that runs in the child. After `patience` failures in a row the batch continues without it."""

    def __init__(self, host: "Host", entry: EntryPoint, version: int, schema: pa.Schema) -> None:
        self.name = entry.name
        self.version = version
        self.fields: tuple[tuple[str, pa.DataType], ...] = tuple((field.name, field.type) for field in schema)
        self.patience = host.config.plugin_failures
        self._host, self._entry, self._schema = host, entry, pa.schema(list(schema))

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """The child's answer.

        Raises:
            AnalysisFailed: raised, timed-out, out-of-memory, crashed or bad-answer.
        """
        answer = self._host.ask(self._entry, mail)
        if answer == NOTHING:
            return None
        if answer[:1] == FAILED:
            code = answer[1:40].decode("ascii", "replace")
            raise AnalysisFailed(code if code in _CODES else "bad-answer")
        try:
            table = _table(answer)
            if table.num_rows != 1 or table.schema != self._schema:
                raise AnalysisFailed("bad-answer")
            return tuple(column[0].as_py() for column in table.columns)
        except (pa.ArrowException, ValueError, OverflowError, OSError) as error:
            raise AnalysisFailed("bad-answer") from error


class Host:
    """Owns the child process: starts it, calls it, ends it. Thread-safe; one request at a time."""

    def __init__(self, config: AnalysisConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._child = ChildProcess("jobs.analysis.pluginchild", [str(config.plugin_memory_bytes)])
        self._loaded: set[str] = set()

    def load(self, entry: EntryPoint) -> Plugin:
        """Load the plug-in of an entry point.

        Raises:
            AnalyserRefused: it cannot be loaded, or is malformed.
        """
        try:
            with self._lock:
                answer = self._load(entry)
            table = _table(answer)
            version = int((table.schema.metadata or {})[b"version"])
        except AnalysisFailed as failed:
            raise AnalyserRefused(entry.name, f"it cannot be loaded ({failed.code})") from failed
        except (pa.ArrowException, ValueError, KeyError, OSError) as error:
            raise AnalyserRefused(entry.name, "its description cannot be read") from error
        plugin = Plugin(self, entry, version, table.schema)
        check(plugin.name, plugin.version, plugin.fields)
        return plugin

    def ask(self, entry: EntryPoint, mail: Mail) -> bytes:
        """The child's answer about one message, as `pluginchild` writes it."""
        with self._lock:
            if not self._child.running or entry.name not in self._loaded:
                try:
                    self._load(entry)
                except AnalyserRefused as refused:  # it was loaded before: its environment changed, or it is random
                    raise AnalysisFailed("crashed") from refused
            return self._exchange(entry, mail, self.config.plugin_timeout_s)

    def close(self) -> None:
        """End the child. The next request starts another."""
        self._loaded.clear()
        self._child.close()

    def _load(self, entry: EntryPoint) -> bytes:
        answer = self._exchange(entry, None, self.config.plugin_load_timeout_s)
        if answer[:1] == REFUSED:
            raise AnalyserRefused(entry.name, answer[1:].decode("utf-8", "replace"))
        self._loaded.add(entry.name)
        return answer

    def _exchange(self, entry: EntryPoint, mail: Mail | None, timeout_s: float) -> bytes:
        content = pickle.dumps(((entry.name, entry.value), timeout_s, mail), pickle.HIGHEST_PROTOCOL)
        try:
            return self._child.exchange(content, timeout_s, _MOST_ANSWER_BYTES)
        except ChildFailed as failed:
            self._loaded.clear()
            raise AnalysisFailed(failed.code) from failed


def discover(host: Host, taken: Collection[str]) -> tuple[list[Plugin], list[AnalyserRefused]]:
    """The enabled plug-ins, and those that are refused.

    Args:
        taken: names of the built-in analysers.
    """
    plugins: list[Plugin] = []
    refused: list[AnalyserRefused] = []
    names = set(taken)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        if entry.name in host.config.disabled:
            continue
        try:
            if entry.name in names:
                raise AnalyserRefused(entry.name, f"another analyser has this name (entry point {entry.value})")
            names.add(entry.name)
            plugins.append(host.load(entry))
        except AnalyserRefused as error:
            refused.append(error)
    return plugins, refused


def _table(answer: bytes) -> pa.Table:
    """The Arrow table in an answer. Raises Arrow's errors: the plug-in wrote it."""
    if answer[:1] != VALUE:
        raise ValueError("the child's answer is not a value")
    table = pa.ipc.open_stream(answer[1:]).read_all()
    table.validate(full=True)
    return table
