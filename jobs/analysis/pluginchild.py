"""The process in which plug-ins run: `python -m jobs.analysis.pluginchild REQUESTS ANSWERS MEMORY_BYTES`.

Two pipes carry frames: four bytes of length, then the content. Requests are pickled, because we write them; answers are
a status byte and text or an Arrow stream, because plug-ins are not trusted. The output of a plug-in is discarded. The
process ends when the pipe of requests is closed; if a plug-in blocks it long after the parent gave up, the kernel's
alarm ends it, so that no process outlives a killed worker.
"""

import os
import pickle
import resource
import signal
import struct
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pyarrow as pa

from jobs.analysis import analyser, mail

GROUP = "gbm.analysers"
LENGTH = struct.Struct(">I")

#: The first byte of an answer: a value, no result, a failure's code, or the reason why a plug-in is refused.
VALUE, NOTHING, FAILED, REFUSED = b"v", b"n", b"f", b"r"

_ALARM_AFTER_S = 5.0


def main(requests: int, answers: int, memory_bytes: int) -> None:
    """Answer requests until the pipe is closed."""
    _limit(memory_bytes)
    plugins: dict[str, Any] = {}
    while frame := _read_frame(requests):
        entry, timeout_s, message = pickle.loads(frame)  # noqa: S301 - written by our parent process
        signal.setitimer(signal.ITIMER_REAL, timeout_s + _ALARM_AFTER_S)
        answer = _load(plugins, *entry) if message is None else _analyse(plugins[entry[0]], message)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(answers, LENGTH.pack(len(answer)) + answer)


def _limit(memory_bytes: int) -> None:
    with open("/proc/self/statm", encoding="ascii") as pages:  # noqa: PTH123 - one line of the kernel's
        used = int(pages.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, used + memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


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


def _read_frame(source: int) -> bytes:
    """The next request; empty at the end."""
    length = _read(source, LENGTH.size)
    return _read(source, LENGTH.unpack(length)[0]) if length else b""


def _read(source: int, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        piece = os.read(source, min(size - len(content), 1 << 20))
        if not piece:
            return b""
        content += piece
    return bytes(content)


def _write(sink: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(sink, view) :]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
