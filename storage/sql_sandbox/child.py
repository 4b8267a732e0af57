"""The process of one SQL query: reads the query and its tables, answers, exits. Started only by process.py.

It has no files, no network, no environment and no secrets: all data arrives on its standard input. The kernel enforces
its limits; DuckDB's settings are locked as well.
"""

import json
import os
import resource
import sys
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from storage.sql_sandbox import wire
from storage.sql_sandbox.errors import SqlInvalid, SqlRefused
from storage.sql_sandbox.grammar import check

_MOST_QUESTION = 1 << 20
#: Address space of the process beyond DuckDB's memory limit and twice the size of its tables.
_ROOM_BYTES = 1536 << 20
_MEMORY = (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError)


def main() -> None:
    """Answer one query."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # prints must not end up in the answer
    request: dict[str, Any] = json.loads(_read(source, _MOST_QUESTION))
    _limit(request)
    try:
        if request["checked"]:
            checked = check(request["sql"], frozenset(request["views"]))
            columns = None if checked.columns is None else sorted(checked.columns)
            _tell(sink, {"views": sorted(checked.views), "columns": columns})
        else:  # a test of the process without the grammar
            _tell(sink, {"views": sorted(request["views"]), "columns": None})
        answer = _answer(request, source)
        answer.validate(full=True)  # Arrow cannot hold a number of 39 digits
        packed = wire.packed(answer)
    except SqlInvalid as exc:
        return _tell(sink, {"error": "invalid", "reason": exc.reason})
    except SqlRefused as exc:
        return _tell(sink, {"error": "refused", "reason": exc.what})
    except _MEMORY:
        return _tell(sink, {"error": "too_large", "reason": "more memory than a query may use"})
    except (duckdb.PermissionException, duckdb.NotImplementedException) as exc:
        return _tell(sink, {"error": "refused", "reason": str(exc)[:500]})
    except duckdb.Error as exc:
        return _tell(sink, {"error": "invalid", "reason": str(exc)[:500]})
    except OSError as exc:  # DuckDB's error while Arrow reads its result
        if "memory" in str(exc).lower() or "arrow_large_buffer_size" in str(exc):
            return _tell(sink, {"error": "too_large", "reason": "more than a result may have"})
        return _tell(sink, {"error": "invalid", "reason": str(exc)[:500]})
    except Exception as exc:  # noqa: BLE001 - values that Arrow cannot hold raise a dozen classes of errors
        return _tell(sink, {"error": "invalid", "reason": f"the result cannot be converted ({type(exc).__name__})"})
    _tell(sink, {"rows": answer.num_rows})
    for piece in wire.framed(packed):
        sink.write(piece)
    return sink.flush()


def _limit(request: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # no further process or thread; root is exempt from this limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    resource.setrlimit(resource.RLIMIT_CPU, (int(request["time_s"]) + 1, int(request["time_s"]) + 2))
    space = request["memory_bytes"] + 2 * request["input_bytes"] + _ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (space, space))


def _answer(request: dict[str, Any], source: BinaryIO) -> pa.Table:
    database = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "enable_external_access": "false",
            "python_enable_replacements": "false",
            "memory_limit": f"{request['memory_bytes']}B",
            "temp_directory": "",
            "threads": 1,
        },
    )
    database.execute("SET TimeZone = 'UTC'")
    names: list[str] = json.loads(_read(source, _MOST_QUESTION))
    for name in names:
        database.register(name, wire.unpacked(_read(source, 2 * request["input_bytes"])))
    database.execute("SET lock_configuration = true")
    reader = database.sql(request["sql"]).to_arrow_reader(1000)
    batches, rows, size = [], 0, 0
    for batch in reader:
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if size > request["answer_bytes"]:
            raise MemoryError
        if rows > request["rows"]:
            break
    return pa.Table.from_batches(batches, reader.schema).slice(0, request["rows"] + 1)


def _read(source: BinaryIO, most: int) -> bytes:
    def exactly(length: int) -> bytes:
        content = source.read(length)
        if len(content) != length:
            raise EOFError
        return content

    return wire.read(exactly, most)


def _tell(sink: BinaryIO, document: dict[str, Any]) -> None:
    for piece in wire.framed(json.dumps(document).encode()):
        sink.write(piece)
    sink.flush()


if __name__ == "__main__":
    main()
