"""Resolves searches in one user's mailbox: label names and the owner's address come from the shard database.

Blocking: call it from a thread.
"""

from datetime import UTC, datetime

from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.mailbox.segment_files import retry_on_missing_file
from storage.model.mail_query import MailQuery
from storage.model.records import MailboxRecord
from storage.model.results import Label
from storage.query.binder import HIDDEN, Mailbox, mentions_me, names_label
from storage.query.conditions import Condition, Labelled, all_of
from storage.query.parser import parse
from storage.query.plan import Plan, plan
from storage.query.tree import EVERYTHING, Tree


class QueryResolver:
    """Resolves one user's searches."""

    def __init__(self, user_id: int, engine: Source) -> None:
        self._user_id, self._engine = user_id, engine

    def of(self, tree: Tree, now: datetime, include_hidden: bool) -> Condition:
        """Convert a search to a condition.

        Args:
            now: reference time of ages.
            include_hidden: include Spam and Trash.
        """
        if tree == EVERYTHING:
            return Mailbox({}).meaning(tree, now, include_hidden)
        state = self.state() if mentions_me(tree) else None
        names = {label.name.lower(): label.id for label in self.labels()} if names_label(tree) else {}
        return Mailbox(names, state.email if state else "").meaning(tree, now, include_hidden)

    def plan(self, mail_query: MailQuery) -> Plan:
        """The plan of a list's query.

        Raises:
            InvalidQuery.
        """
        shown = mail_query.include_spam_trash or bool({*mail_query.labels} & {*HIDDEN})
        now = mail_query.now or mail_query.as_of or datetime.now(UTC)
        condition = self.of(parse(mail_query.text), now, shown)
        return plan(all_of((condition, *(Labelled(label) for label in mail_query.labels))))

    def labels(self) -> list[Label]:
        """The mailbox's labels."""
        return retry_on_missing_file(self._labels)

    def _labels(self) -> list[Label]:
        with transaction(self._engine) as connection:
            rows = connection.execute(query("labels_of_user"), {"user_id": self._user_id})
            return [Label(row.label_id, row.name, row.type) for row in rows]

    def state(self) -> MailboxRecord | None:
        """The mailbox's sync state as last committed; None before its shard has opened it."""
        return retry_on_missing_file(self._state)

    def _state(self) -> MailboxRecord | None:
        with transaction(self._engine) as connection:
            row = connection.execute(query("mailbox"), {"user_id": self._user_id}).first()
        return MailboxRecord.of(row._asdict()) if row else None
