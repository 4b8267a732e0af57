"""What an analyser is, and what is wrong with one that is not.

An analyser reads one message and answers one value per field; `columns.py` makes its column of the answers.
"""

import re
from collections.abc import Mapping
from typing import Protocol

import pyarrow as pa

from jobs.analysis.mail import Mail
from storage.errors import BackupError

#: Columns and fields that are not an analyser's to name.
_TAKEN_COLUMNS = frozenset({"user_id", "message_id"})
_TAKEN_FIELDS = frozenset({"version", "error"})
_NAME = re.compile(r"[a-z][a-z_]{0,30}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MOST_FIELDS = 64
_MOST_VERSIONS = 32_767  # int16


#: A field's name and type. A field keeps its type for ever; a new meaning gets a new name.
Field = tuple[str, pa.DataType]


class Analyser(Protocol):
    """Reads one message, answers one value per field. Pure: same message, same answer, no I/O, no clock.

    `name` is the column, `[a-z][a-z_]{0,30}`. `version` starts at 1 and is raised by a change of the answers. A field
    keeps its type for ever; a new meaning gets a new name.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def fields(self) -> tuple[tuple[str, pa.DataType], ...]: ...

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """One value per field, in order; None when there is nothing to say: all fields are null."""


class AnalyserRefused(BackupError):
    """This analyser cannot be used; correct it or disable it by its name. The others run without it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"The analyser {self.name!r} is refused: {self.reason}. Correct it, or disable it by that name."


class AnalysisFailed(BackupError):
    """An analyser gave no answer for one message. `code` is stable and stands in the column `error` of that row."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"The analyser gave no answer ({self.code}). Analyse the message again when the analyser is corrected."


def check(name: object, version: object, fields: object) -> None:
    """Whether an analyser may own a column.

    Raises:
        AnalyserRefused: it says what is wrong with it.
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
            raise AnalyserRefused(shown, f"the field name {str(field[0])[:60]!r} is malformed, taken or twice there")
        seen.add(field[0])


def column_type(analyser: Analyser) -> pa.DataType:
    """The Arrow type of an analyser's column."""
    return struct_type(dict(analyser.fields))


def struct_type(fields: Mapping[str, pa.DataType]) -> pa.DataType:
    """`struct<version: int16 not null, error: string, *fields>`."""
    return pa.struct(
        [
            pa.field("version", pa.int16(), nullable=False),  # of the analyser that gave the answer
            pa.field("error", pa.string()),  # null: it answered; else a stable short code, and the fields are null
            *(pa.field(name, kind) for name, kind in fields.items()),
        ]
    )
