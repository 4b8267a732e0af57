"""Arrow tables as rows and as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from storage.sql_sandbox.errors import SqlInvalid

#: A cell that a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(table: pa.Table) -> str:
    """A table as CSV (RFC 4180). Texts that a spreadsheet would run begin with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.column_names)
    for row in rows_of(table):
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def rows_of(table: pa.Table) -> list[list[Any]]:
    """The rows of a table, in Python's values; of columns of one name, each.

    Raises:
        SqlInvalid: values that neither Python nor a text holds.
    """
    columns = [_values(column) for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        found: list[Any] = column.to_pylist()
    except (OverflowError, ValueError, pa.ArrowException):  # times that Python's calendar does not have
        try:
            found = column.cast(pa.string()).to_pylist()
        except (pa.ArrowException, ValueError) as exc:
            raise SqlInvalid("its answer has times beyond the years 1 to 9999: cast them to VARCHAR") from exc
    return found


def plain(value: Any) -> Any:
    """A value as JSON holds it: bytes as hex, integers beyond 2**53 as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not -(1 << 53) < value < 1 << 53:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    shown = plain(value)
    return str(shown) if isinstance(shown, int | float | bool) else orjson.dumps(shown, default=str).decode().strip('"')
