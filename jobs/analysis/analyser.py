"""The protocol of analysers, and the checks of it.

An analyser reads one message and returns one value per field; `columns.py` makes a column of the results.
"""

import re
from collections.abc import Mapping
from typing import Protocol

import pyarrow as pa

from jobs.analysis.mail import Mail
from storage.errors import BackupError

#: Column and field names that analysers may not use.
_TAKEN_COLUMNS = frozenset({"user_id", "message_id"})
_TAKEN_FIELDS = frozenset({"version", "error"})
_NAME = re.compile(r"[a-z][a-z_]{0,30}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MOST_FIELDS = 64
_MOST_VERSIONS = 32_767  # int16


#: A field's name and type. A field never changes its type; a new meaning gets a new name.
Field = tuple[str, pa.DataType]


class Analyser(Protocol):
    """Reads one message, returns one value per field. Pure: same message, same result, no I/O, no clock.

    `name` is the column, `[a-z][a-z_]{0,30}`. `version` starts at 1 and is raised when results change. A field never
    changes its type; a new meaning gets a new name.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def fields(self) -> tuple[tuple[str, pa.DataType], ...]: ...

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """One value per field, in order; None: no result, all fields are null."""


class AnalyserRefused(BackupError):
    """The analyser cannot be used; correct it or disable it by name. The others run without it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"The analyser {self.name!r} is refused: {self.reason}. Correct it, or disable it by that name."


class AnalysisFailed(BackupError):
    """An analyser returned no result for one message. `code` is stable, and is stored in the row's `error`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"The analyser returned no result ({self.code}). Correct the analyser and analyse the message again."


def check(name: object, version: object, fields: object) -> None:
    """Check an analyser's name, version and fields.

    Raises:
        AnalyserRefused: one of them is invalid.
    """
    shown = str(name)[:60]
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _TAKEN_COLUMNS:
        raise AnalyserRefused(shown, "its name is not [a-z][a-z_]{0,30}, or is taken by the archive")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= _MOST_VERSIONS:
        raise AnalyserRefused(shown, f"its version is not a number of 1 to {_MOST_VERSIONS}")
    if not isinstance(fields, tuple) or not 1 <= len(fields) <= _MOST_FIELDS:
        raise AnalyserRefused(shown, f"its fields are not a tuple of 1 to {_MOST_FIELDS}")
    seen: set[str] = set()
    for field in fields:
        if not isinstance(field, tuple) or len(field) != 2 or not isinstance(field[1], pa.DataType):
            raise AnalyserRefused(shown, "a field is not a pair of a name and an Arrow type")
        if not isinstance(field[0], str) or not _FIELD.fullmatch(field[0]) or field[0] in _TAKEN_FIELDS | seen:
            raise AnalyserRefused(shown, f"the field name {str(field[0])[:60]!r} is malformed, reserved or used twice")
        seen.add(field[0])


def column_type(analyser: Analyser) -> pa.DataType:
    """The Arrow type of an analyser's column."""
    return struct_type(dict(analyser.fields))


def struct_type(fields: Mapping[str, pa.DataType]) -> pa.DataType:
    """`struct<version: int16 not null, error: string, *fields>`."""
    return pa.struct(
        [
            pa.field("version", pa.int16(), nullable=False),  # of the analyser that returned the result
            pa.field("error", pa.string()),  # null: no error; otherwise a stable short code, and the fields are null
            *(pa.field(name, kind) for name, kind in fields.items()),
        ]
    )
