"""The disk space that a backfill will need, computed before most of the mail is fetched. Pure."""

from dataclasses import dataclass

from cluster.console import count
from jobs.rendering.units import size

#: Maximum bytes of disk per byte of mail: files, the files that compaction has superseded, the message index
#: and PostgreSQL's log. Text needs the most (`gbm bench ingest`, SpamAssassin); attachments need less.
PEAK_SHARE = 1.1
#: Assumed bytes of a message if no mail is stored yet: Gmail reports the number of messages, but no size.
ASSUMED_BYTES = 75_000
#: Number of stored messages from which their mean size is used.
_MEASURED = 500
#: Number of messages below which no forecast is shown.
_WORTH_TELLING = 1000


@dataclass(frozen=True, slots=True)
class DiskForecast:
    """Disk for `messages` that are not stored yet.

    measured: `message_bytes` is the mean of the stored mail. free_bytes: free for mail now.
    """

    messages: int
    message_bytes: int
    measured: bool
    free_bytes: int

    @property
    def needed_bytes(self) -> int:
        """Maximum bytes needed at any moment."""
        return int(self.messages * self.message_bytes * PEAK_SHARE)

    @property
    def fits(self) -> bool:
        """Whether the disk has enough room."""
        return self.needed_bytes <= self.free_bytes

    def __str__(self) -> str:
        origin = "the mean of the stored mail" if self.measured else "assumed"
        said = (
            f"{count(self.messages)} messages to fetch need about {size(self.needed_bytes)} of disk "
            f"({size(self.message_bytes)} each, {origin}); {size(self.free_bytes)} are free."
        )
        return (
            said if self.fits else f"{said} The backup pauses when the disk is full, and continues when there is room."
        )


def disk_forecast(stored: int, stored_bytes: int, estimate: int, free_bytes: int) -> DiskForecast | None:
    """The forecast of a backfill; None: too few messages.

    Args:
        stored, stored_bytes: messages that the mailboxes have, and their mail.
        estimate: messages that they will have.
        free_bytes: of the archive's disk, without the reserve.
    """
    left = estimate - stored
    if left < _WORTH_TELLING:
        return None
    measured = stored >= _MEASURED
    message_bytes = stored_bytes // stored if measured else ASSUMED_BYTES
    return DiskForecast(left, message_bytes, measured, max(free_bytes, 0))
