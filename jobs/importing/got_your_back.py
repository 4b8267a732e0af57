"""A local directory of got-your-back, read by its own database: ids, labels and dates are Gmail's."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from jobs.importing.foreign import Foreign
from storage.errors import BackupError
from storage.model.message_id import from_hex
from storage.model.storable import storable

#: The file that makes a folder one of got-your-back's.
DATABASE = "msg-db.sqlite"
_MESSAGES = """
    SELECT m.message_num, m.message_filename, m.message_internaldate,
        (SELECT u.uid FROM uids AS u WHERE u.message_num = m.message_num LIMIT 1)
    FROM messages AS m ORDER BY m.message_num
"""
_LABELS = "SELECT label FROM labels WHERE message_num = ? ORDER BY label LIMIT 500"


class GybUnreadable(BackupError):
    """A directory of got-your-back cannot be read. Let got-your-back repair it, or import its .eml files alone."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder, self.reason = folder, reason

    def __str__(self) -> str:
        return (
            f"The directory {self.folder} of got-your-back cannot be read ({self.reason}): repair it with "
            f"got-your-back, or remove {DATABASE} to import its .eml files alone."
        )


def gyb_messages(
    folder: Path, start: int, bound_bytes: int, skipped: Callable[[str, str], None]
) -> Iterator[Foreign | None]:
    """The messages of a directory, in its own order, from number `start`; None: one that was skipped.

    Args:
        bound_bytes: larger files are skipped.

    Raises:
        GybUnreadable.
    """
    try:
        database = sqlite3.connect(f"{(folder / DATABASE).absolute().as_uri()}?mode=ro", uri=True)
        try:
            database.text_factory = lambda text: text.decode("utf-8", "replace")
            for number, row in enumerate(database.execute(_MESSAGES)):
                if number >= start:
                    found = database.execute(_LABELS, (row[0],))
                    labels = tuple(storable(label) for (label,) in found if isinstance(label, str) and label)
                    yield _message(folder, row, labels, bound_bytes, skipped)
        finally:
            database.close()
    except sqlite3.Error as exc:
        raise GybUnreadable(folder, str(exc)) from exc


def _message(
    folder: Path,
    row: tuple[object, ...],
    labels: tuple[str, ...],
    bound_bytes: int,
    skipped: Callable[[str, str], None],
) -> Foreign | None:
    name = str(row[1]).replace("\\", "/")
    path = folder / name
    if name.startswith("/") or ".." in name.split("/") or path.is_symlink() or not path.is_file():
        skipped(name, "there is no such file in the directory")
        return None
    if path.stat().st_size > bound_bytes:
        skipped(name, "it is larger than any message of Gmail's")
        return None
    if path.stat().st_size == 0:
        skipped(name, "it is empty: got-your-back was interrupted")
        return None
    return Foreign(path.read_bytes(), name, _id(row[3]), labels=labels, received_at=_date(row[2]))


def _id(uid: object) -> int | None:
    try:
        found = from_hex(str(uid))
    except ValueError:
        return None
    return found if found > 0 else None


def _date(value: object) -> datetime | None:
    """ "2026-01-05 10:00:00", in UTC; of 1970: got-your-back did not know it."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    return found if found.year > 1970 else None
