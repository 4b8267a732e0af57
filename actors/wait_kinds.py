"""Maps errors to wait reasons."""

from actors.work import WorkLost
from jobs.gmail.errors import AnswerUnreadable, GmailError, GmailUnavailable, Throttled
from jobs.isolation.steps import IsolationFailed
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.files.blobs import ArchiveFull, ArchiveReadOnly, ArchiveUnusable
from storage.model.wait_reasons import WaitKind

#: Seconds of a requested pause from which the quota counts as spent, and not only as throttled.
SPENT_S = 60.0


def wait_kind(error: BackupError) -> WaitKind | None:
    """The wait reason of an error; None: not a reason that people can act on."""
    if isinstance(error, Throttled):
        spent = error.retry_after_s is not None and error.retry_after_s >= SPENT_S
        return WaitKind.QUOTA_SPENT if spent else WaitKind.GMAIL_THROTTLED
    for known, kind in _KINDS:
        if isinstance(error, known):
            return kind
    return None


_KINDS: tuple[tuple[type[BackupError], WaitKind], ...] = (
    (GmailUnavailable, WaitKind.GMAIL_UNREACHABLE),
    (AnswerUnreadable, WaitKind.GMAIL_UNREADABLE),
    (GmailError, WaitKind.GMAIL_REFUSED),
    (DatabaseUnreachable, WaitKind.DATABASE_UNREACHABLE),
    (ArchiveFull, WaitKind.DISK_FULL),
    (ArchiveReadOnly, WaitKind.DISK_READ_ONLY),
    (ArchiveUnusable, WaitKind.ARCHIVE_UNUSABLE),
    (WorkLost, WaitKind.NO_WORKER),
    (IsolationFailed, WaitKind.NO_WORKER),
)
