"""The process in which plug-ins run: `python -m jobs.analysis.pluginchild REQUESTS ANSWERS MEMORY_BYTES`.

Two pipes carry frames: four bytes of length, then the content. Requests are pickled, because we write them; answers are
a status byte and text or an Arrow stream, because plug-ins are not trusted. The output of a plug-in is discarded. The
process ends when the pipe of requests is closed; if a plug-in blocks it long after the parent gave up, the kernel's
alarm ends it, so that no process outlives a killed worker.
"""

import pickle
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pyarrow as pa

from jobs.analysis import analyser, mail
from jobs.isolation.frames import alarm, limit_memory, read_frame, write_frame

GROUP = "gbm.analysers"

#: The first byte of an answer: a value, no result, a failure's code, or the reason why a plug-in is refused.
VALUE, NOTHING, FAILED, REFUSED = b"v", b"n", b"f", b"r"


def main(requests: int, answers: int, memory_bytes: int) -> None:
    """Answer requests until the pipe is closed."""
    limit_memory(memory_bytes)
    plugins: dict[str, Any] = {}
    while frame := read_frame(requests):
        entry, timeout_s, message = pickle.loads(frame)  # noqa: S301 - written by our parent process
        with alarm(timeout_s):
            answer = _load(plugins, *entry) if message is None else _analyse(plugins[entry[0]], message)
        write_frame(answers, answer)


def _load(plugins: dict[str, Any], name: str, value: str) -> bytes:
    try:
        plugin = EntryPoint(name, value, GROUP).load()()
        analyser.check(plugin.name, plugin.version, plugin.fields)
        if plugin.name != name:
            return REFUSED + f"the entry point is named {name!r} and the analyser {plugin.name!r}"[:500].encode()
        schema = pa.schema(list(plugin.fields), {"version": str(plugin.version)})
        plugins[name] = plugin
        return VALUE + _stream(schema.empty_table())
    except analyser.AnalyserRefused as refused:
        return REFUSED + refused.reason[:500].encode("utf-8", "replace")
    except BaseException as error:  # noqa: BLE001 - also SystemExit: in any case it cannot be loaded
        return REFUSED + f"it cannot be loaded ({type(error).__name__}: {error})"[:500].encode("utf-8", "replace")


def _analyse(plugin: Any, message: mail.Mail) -> bytes:
    try:
        answer = plugin.analyse(message)
    except MemoryError:
        return FAILED + b"out-of-memory"
    except BaseException:  # noqa: BLE001 - also SystemExit
        return FAILED + b"raised"
    if answer is None:
        return NOTHING
    try:
        schema = pa.schema(list(plugin.fields))
        if not isinstance(answer, tuple) or len(answer) != len(schema):
            return FAILED + b"bad-answer"
        arrays = [pa.array([value], field.type) for value, field in zip(answer, schema, strict=True)]
        return VALUE + _stream(pa.Table.from_arrays(arrays, schema=schema))
    except MemoryError:
        return FAILED + b"out-of-memory"
    except BaseException:  # noqa: BLE001 - Arrow rejects it, or the value runs code of its own
        return FAILED + b"bad-answer"


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
