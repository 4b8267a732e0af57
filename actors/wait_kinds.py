"""Which reason to wait an error is."""

from actors.work import WorkLost
from jobs.gmail.errors import AnswerUnreadable, GmailError, GmailUnavailable, Throttled
from jobs.isolation.steps import IsolationFailed
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.files.blobs import ArchiveFull, ArchiveReadOnly, ArchiveUnusable
from storage.model.wait_reasons import WaitKind

#: Seconds from which a rest that Gmail asks for is a quota that is spent, not only a pace that is too fast.
SPENT_S = 60.0


def wait_kind(error: BackupError) -> WaitKind | None:
    """The reason to wait that an error is; None: it is none of those that people can act on."""
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
