"""What is wrong with a question in SQL."""

from storage.errors import BackupError

_LONGEST = 500


class SqlInvalid(BackupError):
    """The question is no SQL that DuckDB understands. It says where."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:_LONGEST])
        self.reason = reason[:_LONGEST]

    def __str__(self) -> str:
        return f"DuckDB does not understand the query ({self.reason.rstrip('.')}): correct it."


class SqlRefused(BackupError):
    """The question asks for something that is not allowed here. One SELECT over the views is."""

    def __init__(self, what: str) -> None:
        super().__init__(what[:_LONGEST])
        self.what = what[:_LONGEST]

    def __str__(self) -> str:
        return f"Not allowed here: {self.what}. Ask one SELECT over your own views."


class SqlTooLarge(BackupError):
    """The question takes more memory, reads more, or answers more than is allowed. Ask for less."""

    def __init__(self, what: str) -> None:
        super().__init__(what[:_LONGEST])
        self.what = what[:_LONGEST]

    def __str__(self) -> str:
        return f"This takes too much: {self.what}. Ask for fewer columns, or for sums instead of rows."


class SqlTimedOut(BackupError):
    """The question took longer than is allowed. Ask for less."""

    def __init__(self, time_s: float) -> None:
        super().__init__(time_s)
        self.time_s = time_s

    def __str__(self) -> str:
        return f"No answer within {self.time_s:g} s: ask for fewer columns, a shorter time, or no joins of everything."


class SqlCrashed(BackupError):
    """The process of the question ended without an answer. Ask otherwise; the mail is unharmed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:_LONGEST])
        self.reason = reason[:_LONGEST]

    def __str__(self) -> str:
        return f"The query's process ended without a result ({self.reason}): rewrite the query."


class SqlBusy(BackupError):
    """As many questions as are allowed are being answered. Ask again in a moment."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "Other questions are being answered: ask again in a moment."
