"""What a mailbox knew of the writer of a message when the message arrived: who was answered, how often, first contact.

An analyser sees one message only, so this evidence is computed from the files' contacts (contacts.py): for one message
here, for all by acquaintances.sql. Earlier means: received before, by Gmail's date, then by id. Later events do not
count, so the evidence is the same at any later time, unless older mail was backed up in between; as of a time only the
messages count that the backup had. Deleted messages count.

Every query is bound to the user's id. Blocking: call it from a thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from storage.db.engines import Source, transaction
from storage.db.sql_files import duckdb_sql, query
from storage.files import duckdb_engine
from storage.mailbox import contacts
from storage.mailbox.corrections import corrections_of, words
from storage.mailbox.segment_files import MailFiles
from storage.model.acquaintance import Acquaintance
from storage.model.judgement import Judgement
from storage.model.time_range import EARLIEST, LATEST
from storage.segments.file_names import PARQUET_SUFFIX

#: Messages of a mailbox beyond which one message is shown without evidence: reading that of all takes seconds, and
#: 19 MB of memory at this size. The SQL view `acquaintances` has it for mailboxes of any size.
_MOST_MESSAGES = 500_000

SCHEMA = pa.schema(
    [
        pa.field("message_id", pa.int64()),
        pa.field("received_before", pa.int64()),
        pa.field("written_before", pa.int64()),
        pa.field("written_in_thread", pa.int64()),
        pa.field("is_same_domain", pa.bool_()),
        pa.field("is_sent", pa.bool_()),
        pa.field("sender_spam", pa.bool_()),
        pa.field("sender_category", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class MailboxEvidence:
    """Parquet files, the owner's address and corrections, and the messages of other threads than their files name."""

    names: list[str]
    owner: str
    messages: int
    threads: dict[int, int]
    corrections: dict[int, Judgement]


class Acquaintances:
    """Reads the evidence of one user's mailbox."""

    def __init__(self, user_id: int, engine: Source, files: MailFiles) -> None:
        self._user_id, self._engine, self._files = user_id, engine, files

    def of(
        self, mailbox: MailboxEvidence, message_id: int, thread_id: int, as_of: datetime | None = None
    ) -> Acquaintance | None:
        """The evidence about one message's writer; None: the message is in no file, or the mailbox is too large.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        if mailbox.messages > _MOST_MESSAGES:
            return None
        known = contacts.SHARED.of_mailbox(self._user_id, mailbox.owner, self._files, mailbox.names)
        if (place := _place(known.rows, message_id)) < 0:
            return None
        row = {name: known.rows[name][place].as_py() for name in ("sender", "received_ms", "is_same_domain", "is_sent")}
        before = _Before(row["received_ms"], message_id)
        ids = [
            before.ids(_of_sender(known.rows, row["sender"])),
            before.ids(_to_sender(known, row["sender"])),
            before.ids(_in_thread(known.sent, thread_id, mailbox.threads)),
        ]
        received, written, in_thread = [len(each) for each in ids] if as_of is None else self._stored(ids, as_of)
        said = self._said(mailbox, row["sender"])
        return Acquaintance(
            received,
            written,
            in_thread,
            row["is_same_domain"],
            row["is_sent"],
            next((each.spam for each in said if each.spam is not None), None),
            next((each.category for each in said if each.category is not None), None),
        )

    def _said(self, mailbox: MailboxEvidence, sender: int | None) -> list[Judgement]:
        """The owner's corrections of mail of an address, newest first."""
        if not mailbox.corrections:
            return []
        known = contacts.SHARED.of_mailbox(self._user_id, mailbox.owner, self._files, mailbox.names)
        of_sender = _of_sender(known.rows, sender)
        ids = set(_ids(of_sender.filter(pc.invert(of_sender["is_sent"]))))
        return [judgement for message_id, judgement in mailbox.corrections.items() if message_id in ids]

    def table(self, stored: pa.Table | None = None, as_of: datetime | None = None) -> pa.Table:
        """A table of SCHEMA with a row for every message of the mailbox.

        Args:
            stored: {message_id} of the messages that the backup had at the time; None: all.
            as_of: the time, of corrections; None: now.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        mailbox = self.mailbox(as_of)
        tables = contacts.SHARED.of(self._user_id, mailbox.owner, self._files, mailbox.names)
        rows = pa.concat_tables(tables) if tables else contacts.SCHEMA.empty_table()
        if stored is not None:
            rows = rows.filter(pc.is_in(rows["message_id"], stored["message_id"].combine_chunks()))
        mended = pa.table(
            {
                "message_id": pa.array(mailbox.threads.keys(), pa.int64()),
                "thread_id": pa.array(mailbox.threads.values(), pa.int64()),
            }
        )
        tables_read = {"contacts": rows, "mended": mended, "words": words(mailbox.corrections)}
        found = duckdb_engine.ask(duckdb_sql("acquaintances"), [], {}, tables_read)
        return found.select(SCHEMA.names).cast(SCHEMA)

    def mailbox(self, as_of: datetime | None = None) -> MailboxEvidence:
        """The state of the mailbox from which evidence is computed, with the corrections as of a time (None: now)."""
        values = {"user_id": self._user_id}
        with transaction(self._engine) as connection:
            state = connection.execute(query("mailbox_evidence"), values).first()
            period = {"first_at": EARLIEST, "last_at": LATEST}
            segments = connection.execute(query("segments_of_user"), {**values, **period})
            names = [row.name + PARQUET_SUFFIX for row in segments]
            if state is None:
                return MailboxEvidence([], "", 0, {}, {})
            corrections: dict[int, Judgement] = {}
            threads: dict[int, int] = {}
            if state.has_events_beside:
                corrections = corrections_of(connection, self._user_id, as_of)
                mended = connection.execute(query("threads_mended"), values)
                threads = {row.message_id: row.thread_id for row in mended}
        return MailboxEvidence(names, state.email.lower(), state.messages, threads, corrections)

    def _stored(self, lists: Sequence[Sequence[int]], as_of: datetime) -> list[int]:
        """How many messages of each list the backup had at a time."""
        with transaction(self._engine) as connection:
            asked = list({message_id for ids in lists for message_id in ids})
            values = {"user_id": self._user_id, "message_ids": asked, "as_of": as_of}
            stored = set(connection.execute(query("messages_stored"), values).scalars())
        return [sum(message_id in stored for message_id in ids) for ids in lists]


def _place(table: pa.Table, message_id: int) -> int:
    """The row of a message; -1: the table does not have it."""
    return int(pc.index(table["message_id"], pa.scalar(message_id, pa.int64())).as_py())


@dataclass(frozen=True, slots=True)
class _Before:
    """Selects what came before a message."""

    received_ms: int
    message_id: int

    def ids(self, table: pa.Table) -> list[int]:
        """The ids of the earlier messages."""
        earlier = pc.less(table["received_ms"], self.received_ms)
        same = pc.equal(table["received_ms"], self.received_ms)
        same = pc.and_(same, pc.less(table["message_id"], self.message_id))
        return _ids(table.filter(pc.or_(earlier, same)))


def _ids(table: pa.Table) -> list[int]:
    ids: list[int] = table["message_id"].to_pylist()
    return ids


def _of_sender(rows: pa.Table, sender: int | None) -> pa.Table:
    """The messages of an address."""
    if sender is None:
        return rows.slice(0, 0)
    return rows.filter(pc.equal(rows["sender"], pa.scalar(sender, pa.uint64())))


def _to_sender(known: contacts.MailboxContacts, sender: int | None) -> pa.Table:
    """The messages of the owner to an address."""
    if sender is None:
        return known.sent.slice(0, 0)
    return known.sent.take(known.written_in.filter(pc.equal(known.written_to, pa.scalar(sender, pa.uint64()))))


def _in_thread(sent: pa.Table, thread_id: int, mended: Mapping[int, int]) -> pa.Table:
    """The messages of the owner in a thread."""
    is_there = pc.equal(sent["thread_id"], thread_id)
    if mended:
        moved = pa.array([each for each, thread in mended.items() if thread == thread_id], pa.int64())
        left = pa.array([each for each, thread in mended.items() if thread != thread_id], pa.int64())
        is_there = pc.or_(is_there, pc.is_in(sent["message_id"], moved))
        is_there = pc.and_(is_there, pc.invert(pc.is_in(sent["message_id"], left)))
    return sent.filter(is_there)
