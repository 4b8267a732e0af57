"""The query of a list of messages."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MailQuery:
    """Selects messages of a mailbox.

    text: a search in Gmail's language; "": every message.
    labels: ids of labels that a message must carry, all of them.
    include_spam_trash: without it, mail in Spam and Trash is excluded unless the search or `labels` name these.
    include_deleted: include messages deleted in Gmail.
    as_of: time as of which the mailbox is read; None: now.
    now: reference time of ages in the search; None: `as_of`.
    """

    text: str = ""
    labels: tuple[str, ...] = ()
    include_spam_trash: bool = False
    include_deleted: bool = False
    as_of: datetime | None = None
    now: datetime | None = None


#: Every message outside of Spam and Trash, now.
ALL_MAIL = MailQuery()
