"""The process of one SQL query: reads the query and its tables, returns the result, exits. Started by process.py.

It has no access to files, network, environment or secrets; its input arrives on standard input. Before it
runs the query, it confines itself (wall.py) and limits its address space; DuckDB's own
settings are locked as well. The result is encoded here, so that the size limit applies to the bytes sent.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from storage.sql_sandbox import wall, wire
from storage.sql_sandbox.encoding import Form, encode
from storage.sql_sandbox.errors import SqlInvalid, SqlRefused
from storage.sql_sandbox.grammar import check

_MOST_QUESTION = 1 << 20
#: Address space of the process beyond DuckDB's memory limit and twice the size of its tables.
_ROOM_BYTES = 1536 << 20
#: Address space for the query in addition to DuckDB's memory and the result.
_SPARE_BYTES = 192 << 20
_FORMS: tuple[Form, ...] = ("json", "csv", "arrow")
_MEMORY = (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError)


def main() -> None:
    """Run one query."""
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of libraries must not mix with the result
    request: dict[str, Any] = json.loads(_read(source, _MOST_QUESTION))
    _limit(request)
    try:
        if request["checked"]:
            checked = check(request["sql"], frozenset(request["views"]))
            columns = None if checked.columns is None else sorted(checked.columns)
            _tell(sink, {"views": sorted(checked.views), "columns": columns})
        else:  # tests bypass the grammar check
            _tell(sink, {"views": sorted(request["views"]), "columns": None})
        database, missing = _prepared(request, source)
        reader = database.sql(request["sql"]).to_arrow_reader(1000)
        coded, rows, cut = encode(reader.schema, reader, request["form"], request["rows"], request["result_bytes"])
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
    except Exception as exc:  # noqa: BLE001 - values that Arrow cannot hold raise in a dozen classes
        return _tell(sink, {"error": "invalid", "reason": f"the answer cannot be told ({type(exc).__name__})"})
    _tell(sink, {"rows": rows, "truncated": cut, "missing": missing})
    for piece in wire.framed(coded.view()):
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


def _prepared(request: dict[str, Any], source: BinaryIO) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    """Open a database with the query's tables and confine the process; return the missing kernel features."""
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
    _read_what_coding_reads()
    space = _address_space() + request["memory_bytes"] + 2 * request["result_bytes"] + _SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    return database, wall.build()


def _read_what_coding_reads() -> None:
    """Make libraries load now what they load on first use: time zones, numbers, UUIDs."""
    values = pa.table({"t": pa.array([0], pa.timestamp("us", "UTC")), "d": pa.array([1], pa.decimal128(18, 3))})
    for form in _FORMS:
        encode(values.schema, iter(values.to_batches()), form, 1, 1 << 20)
    with duckdb.connect(":memory:", config={"threads": 1}) as other:
        other.execute(
            "SELECT uuid() AS u, TIMESTAMPTZ '2024-05-01 10:00+02' AS t, INTERVAL 1 DAY AS i"
        ).to_arrow_table()


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()


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
