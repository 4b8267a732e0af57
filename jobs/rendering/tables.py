"""Converts Arrow tables to rows and to CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa

from storage.sql_sandbox.errors import SqlInvalid

#: Cells that a spreadsheet would interpret as formulas.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(table: pa.Table) -> str:
    """A table as CSV (RFC 4180). Texts that a spreadsheet would run as formulas are prefixed with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.column_names)
    for row in rows_of(table):
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def rows_of(table: pa.Table) -> list[list[Any]]:
    """The rows of a table as Python values; columns with equal names are kept.

    Raises:
        SqlInvalid: a value can be converted neither to Python nor to text.
    """
    columns = [_values(column) for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError, pa.ArrowException):  # times that Python's calendar does not have
        try:
            values = column.cast(pa.string()).to_pylist()
        except (pa.ArrowException, ValueError) as exc:
            raise SqlInvalid("its result has times outside the years 1 to 9999: cast them to VARCHAR") from exc
    return values


def plain(value: Any) -> Any:
    """A value for JSON: bytes as hex, integers beyond 2**53 as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int) and not -(1 << 53) < value < 1 << 53:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(member) for member in value]
    return value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    shown = plain(value)
    return str(shown) if isinstance(shown, int | float | bool) else orjson.dumps(shown, default=str).decode().strip('"')
