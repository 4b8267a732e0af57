"""The parts of a mailbox reader that routes use. `storage.reader.MailboxReader` implements all of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from storage.analytics.selection import EVER, Span
from storage.analytics.stats import MailboxStats
from storage.control.principal import Principal
from storage.mailbox.lookups import Located
from storage.mailbox.threads import Conversations
from storage.model.judgement import Judgement
from storage.model.mail_query import ALL_MAIL, MailQuery
from storage.model.results import Email, Page, PageCursor, RankCursor, RankedPage
from storage.query.highlighting import Highlight

Reader_co = TypeVar("Reader_co", covariant=True)


class Readers(Protocol[Reader_co]):
    """Creates readers of a principal's own mail. `serve.mail.readers.Mailboxes` implements it."""

    def reader(self, principal: Principal) -> Reader_co: ...


class MailReader(Protocol):
    """Lists, searches and single messages of one user."""

    def emails(self, mail_query: MailQuery = ALL_MAIL, limit: int = 50, after: PageCursor | None = None) -> Page: ...

    def best(self, mail_query: MailQuery, limit: int = 50, after: RankCursor | None = None) -> RankedPage: ...

    def highlights(self, text: str, ids: Sequence[str]) -> dict[str, list[Highlight]]: ...

    def email(self, message_id: int, as_of: datetime | None = None) -> Email | None: ...

    def email_at(self, located: Located) -> Email | None: ...

    def raw(self, message_id: int, as_of: datetime | None = None) -> bytes | None: ...

    def raw_at(self, located: Located) -> bytes | None: ...

    def parsable(self, message_id: int, as_of: datetime | None = None) -> bytes | None: ...

    def version(self) -> str | None: ...


class JudgementWriter(Protocol):
    """Records what owners say of their messages. `serve.mail.readers.Mailboxes` implements it."""

    def judge(self, principal: Principal, message_id: int, judgement: Judgement) -> Judgement | None: ...


class ThreadReader(Protocol):
    """Threads and labels of one user."""

    @property
    def conversations(self) -> Conversations: ...


class StatsReader(Protocol):
    """Statistics of one user."""

    def stats(self, text: str = "", span: Span = EVER, as_of: datetime | None = None) -> MailboxStats: ...

    def version(self) -> str | None: ...
