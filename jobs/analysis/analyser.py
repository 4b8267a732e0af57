"""The shape of an analyser: one message in, typed values out."""

from typing import Protocol

import pyarrow as pa

from jobs.analysis.mail import Mail

#: A field's name and type. A field keeps its type for ever; a new meaning gets a new name.
Field = tuple[str, pa.DataType]


class Analyser(Protocol):
    """Reads one message, answers one value per field.

    Pure: the same message gives the same answer in every mailbox, at any time, without I/O. Raising costs its own
    column of that message alone.
    """

    @property
    def name(self) -> str:
        """The column: [a-z][a-z_]{0,30}."""

    @property
    def version(self) -> int:
        """1 or more; a change of the answers raises it."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """What it answers."""

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """A value for each field, in order; None when there is nothing to say."""
