"""Results of SQL as JSON, CSV or Arrow, encoded row by row, so that the size limit applies to the bytes sent.

An Arrow table says little of that: a value of an ENUM takes a byte in it, and any number of them in JSON. Runs in the
question's process (child.py), and on a person's own machine (`gbm sql`).
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import orjson
import pyarrow as pa

from storage.sql_sandbox.errors import SqlInvalid

Form = Literal["json", "csv", "arrow"]
#: A cell that a spreadsheet would interpret as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Rows converted to Python values at a time: single values may be large.
_ROWS = 16


class Coded:
    """An encoded result."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._pieces, self.size = most_bytes, io.BytesIO(), 0

    def add(self, piece: bytes) -> None:
        """Append bytes. Raises MemoryError beyond the limit."""
        self.size += len(piece)
        if self.size > self._most_bytes:
            raise MemoryError
        self._pieces.write(piece)

    def view(self) -> memoryview:
        """The whole result."""
        return self._pieces.getbuffer()


def encode(
    schema: pa.Schema, batches: Iterator[pa.RecordBatch], form: Form, rows: int, most_bytes: int
) -> tuple[Coded, int, bool]:
    """Encode a result; return its bytes, the number of rows, and whether rows were cut off.

    Raises:
        MemoryError: the result exceeds `most_bytes`.
        SqlInvalid: the result has values that cannot be encoded.
    """
    coded, count, cut = Coded(most_bytes), 0, False
    writer = _WRITERS[form](coded, schema)
    for batch in batches:
        table = pa.Table.from_batches([batch], schema)
        if count + table.num_rows > rows:
            table, cut = table.slice(0, rows - count), True
        table.validate(full=True)  # a number of 39 digits is none that Arrow holds
        writer.write(table)
        count += table.num_rows
        if cut:
            break
    writer.end(cut)
    return coded, count, cut


class _Writer(Protocol):
    """Encodes the rows of a result."""

    def __init__(self, coded: Coded, schema: pa.Schema) -> None: ...

    def write(self, table: pa.Table) -> None: ...

    def end(self, cut: bool) -> None: ...


class _Json:
    def __init__(self, coded: Coded, schema: pa.Schema) -> None:
        self._coded, self._first = coded, True
        columns = [{"name": field.name, "type": str(field.type)} for field in schema]
        coded.add(b'{"columns":' + orjson.dumps(columns) + b',"rows":[')

    def write(self, table: pa.Table) -> None:
        for row in _slowly(table):
            content = orjson.dumps([plain(value) for value in row], default=str, option=orjson.OPT_NON_STR_KEYS)
            self._coded.add(content if self._first else b"," + content)
            self._first = False

    def end(self, cut: bool) -> None:
        self._coded.add(b'],"truncated":' + orjson.dumps(cut) + b"}")


class _Csv:
    def __init__(self, coded: Coded, schema: pa.Schema) -> None:
        self._coded = coded
        self._add(schema.names)

    def write(self, table: pa.Table) -> None:
        for row in _slowly(table):
            self._add([_cell(value) for value in row])

    def end(self, cut: bool) -> None:
        """Whether it is cut a header tells."""

    def _add(self, row: Sequence[str]) -> None:
        line = io.StringIO()
        csv.writer(line).writerow(row)
        self._coded.add(line.getvalue().encode())


class _Arrow:
    def __init__(self, coded: Coded, schema: pa.Schema) -> None:
        self._coded, self._sink = coded, io.BytesIO()
        self._writer = pa.ipc.new_stream(self._sink, schema)

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)
        self._hand_on()

    def end(self, cut: bool) -> None:  # noqa: ARG002 - a header tells it
        self._writer.close()
        self._hand_on()

    def _hand_on(self) -> None:
        self._coded.add(self._sink.getvalue())
        self._sink.seek(0)
        self._sink.truncate()


_WRITERS: Mapping[Form, type[_Writer]] = {"json": _Json, "csv": _Csv, "arrow": _Arrow}


def _slowly(table: pa.Table) -> Iterator[list[Any]]:
    for start in range(0, table.num_rows, _ROWS):
        yield from rows_of(table.slice(start, _ROWS))


def csv_of(table: pa.Table) -> str:
    """A table as CSV (RFC 4180). Texts that a spreadsheet would run begin with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.column_names)
    for row in rows_of(table):
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def rows_of(table: pa.Table) -> list[list[Any]]:
    """The rows of a table as Python values, including columns with the same name.

    Raises:
        SqlInvalid: a value cannot be represented in Python or as text.
    """
    columns = [_values(column) for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError, pa.ArrowException):  # times outside of Python's calendar
        try:
            values = column.cast(pa.string()).to_pylist()
        except (pa.ArrowException, ValueError) as exc:
            raise SqlInvalid("its answer has times beyond the years 1 to 9999: cast them to VARCHAR") from exc
    return values


def plain(value: Any) -> Any:
    """Convert a value for JSON: bytes to hex, integers beyond 2**53 to text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not -(1 << 53) < value < 1 << 53:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    shown = plain(value)
    return str(shown) if isinstance(shown, int | float | bool) else orjson.dumps(shown, default=str).decode().strip('"')
