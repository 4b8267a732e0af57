"""Errors of SQL queries."""

from storage.errors import BackupError

_LONGEST = 500


class SqlInvalid(BackupError):
    """DuckDB cannot parse or run the query. The message contains the position."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:_LONGEST])
        self.reason = reason[:_LONGEST]

    def __str__(self) -> str:
        return f"DuckDB does not understand the query ({self.reason.rstrip('.')}): correct it."


class SqlRefused(BackupError):
    """The query uses a feature that is not allowed. Use one SELECT over the views."""

    def __init__(self, what: str) -> None:
        super().__init__(what[:_LONGEST])
        self.what = what[:_LONGEST]

    def __str__(self) -> str:
        return f"Not allowed here: {self.what}. Use one SELECT over your own views."


class SqlTooLarge(BackupError):
    """The query exceeds the limit of memory, input or result. Select less."""

    def __init__(self, what: str) -> None:
        super().__init__(what[:_LONGEST])
        self.what = what[:_LONGEST]

    def __str__(self) -> str:
        return f"The query is too large: {self.what}. Select fewer columns, or sums instead of rows."


class SqlTimedOut(BackupError):
    """The query exceeded the time limit. Select less."""

    def __init__(self, time_s: float) -> None:
        super().__init__(time_s)
        self.time_s = time_s

    def __str__(self) -> str:
        return f"No answer within {self.time_s:g} s: select fewer columns, a shorter time range, or avoid cross joins."


class SqlCrashed(BackupError):
    """The query's process ended without a result. Change the query; the mail is unharmed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:_LONGEST])
        self.reason = reason[:_LONGEST]

    def __str__(self) -> str:
        return f"The query's process ended without a result ({self.reason}): rewrite the query."


class SqlBusy(BackupError):
    """The limit of concurrent queries is reached. Retry in a moment."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "Other queries are running: retry in a moment."
