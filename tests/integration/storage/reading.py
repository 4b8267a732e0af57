"""What tests of readers ask: the ids of a page, of all pages, and of a ranked page."""

from collections.abc import Sequence

from storage.model.mail_query import MailQuery
from storage.model.message_id import from_hex
from storage.reader import MailboxReader


def ids(
    reader: MailboxReader,
    text: str = "",
    labels: Sequence[str] = (),
    include_spam_trash: bool = False,
    include_deleted: bool = False,
) -> list[int]:
    page = reader.emails(MailQuery(text, tuple(labels), include_spam_trash, include_deleted))
    return [from_hex(mail.id) for mail in page.items]
