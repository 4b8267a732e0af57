"""What a mailbox knew of the writer of a message when the message arrived: who was answered, how often, first contact.

An analyser sees one message only, so this evidence is computed from the files' contacts (contacts.py): for one message
here, for all by acquaintances.sql. Earlier means: received before, by Gmail's date, then by id. Later events do not
count, so the evidence is the same at any later time, unless older mail was backed up in between; as of a time only the
messages count that the backup had. Deleted messages count.

Every query is bound to the user's id. Blocking: call it from a thread.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from storage.db.engines import Source, transaction
from storage.db.sql_files import duckdb_sql, query
from storage.files import duckdb_engine
from storage.mailbox import contacts
from storage.mailbox.segment_files import MailFiles
from storage.model.acquaintance import Acquaintance
from storage.model.time_range import EARLIEST, LATEST
from storage.segments.file_names import PARQUET_SUFFIX

SCHEMA = pa.schema(
    [
        pa.field("message_id", pa.int64()),
        pa.field("received_before", pa.int64()),
        pa.field("written_before", pa.int64()),
        pa.field("written_in_thread", pa.int64()),
        pa.field("is_same_domain", pa.bool_()),
        pa.field("is_sent", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class _Mailbox:
    """Parquet files, the owner's address, and the messages of other threads than their files name."""

    names: list[str]
    owner: str
    threads: dict[int, int]


class Acquaintances:
    """Reads the evidence of one user's mailbox."""

    def __init__(self, user_id: int, engine: Source, files: MailFiles) -> None:
        self._user_id, self._engine, self._files = user_id, engine, files

    def of(
        self, message_id: int, thread_id: int, received_at: datetime, as_of: datetime | None = None
    ) -> Acquaintance | None:
        """The evidence about one message's writer; None: the message is in no file.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        mailbox = self._mailbox(received_at)
        tables = contacts.SHARED.of(self._user_id, mailbox.owner, self._files, mailbox.names)
        places = [(table, _place(table, message_id)) for table in tables]
        if not (found := [(table, place) for table, place in places if place >= 0]):
            return None
        row = {name: found[0][0][name][found[0][1]].as_py() for name in contacts.SCHEMA.names}
        sent = [table.filter(table["is_sent"]) for table in tables]
        before = _Before(row["received_ms"], message_id)
        ids = [
            before.ids(_of_sender(tables, row["sender"])),
            before.ids(_to_sender(sent, row["sender"])),
            before.ids(_in_thread(sent, thread_id, mailbox.threads)),
        ]
        received, written, in_thread = [len(each) for each in ids] if as_of is None else self._stored(ids, as_of)
        return Acquaintance(received, written, in_thread, row["is_same_domain"], row["is_sent"])

    def table(self, stored: pa.Table | None = None) -> pa.Table:
        """A table of SCHEMA with a row for every message of the mailbox.

        Args:
            stored: {message_id} of the messages that the backup had at the time in question; None: all.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        mailbox = self._mailbox(LATEST)
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
        found = duckdb_engine.ask(duckdb_sql("acquaintances"), [], {}, {"contacts": rows, "mended": mended})
        return found.select(SCHEMA.names).cast(SCHEMA)

    def _mailbox(self, until: datetime) -> _Mailbox:
        """The state of the mailbox, with the files that have mail received until a time."""
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "first_at": EARLIEST, "last_at": until}
            names = [row.name + PARQUET_SUFFIX for row in connection.execute(query("segments_of_user"), values)]
            state = connection.execute(query("mailbox"), {"user_id": self._user_id}).first()
            mended = connection.execute(query("threads_mended"), {"user_id": self._user_id}).all()
        return _Mailbox(names, state.email.lower() if state else "", {row.message_id: row.thread_id for row in mended})

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

    def ids(self, tables: Iterable[pa.Table]) -> list[int]:
        """The ids of the earlier messages."""
        ids: list[int] = []
        for table in tables:
            earlier = pc.less(table["received_ms"], self.received_ms)
            same = pc.equal(table["received_ms"], self.received_ms)
            same = pc.and_(same, pc.less(table["message_id"], self.message_id))
            ids += table["message_id"].filter(pc.or_(earlier, same)).to_pylist()
        return ids


def _of_sender(tables: Sequence[pa.Table], sender: int | None) -> Iterator[pa.Table]:
    """The messages of an address."""
    if sender is not None:
        wanted = pa.scalar(sender, pa.uint64())
        for table in tables:
            yield table.filter(pc.equal(table["sender"], wanted))


def _to_sender(sent: Sequence[pa.Table], sender: int | None) -> Iterator[pa.Table]:
    """The messages of the owner to an address."""
    if sender is None:
        return
    wanted = pa.scalar(sender, pa.uint64())
    for table in sent:
        if table.num_rows:
            written = table["written"].combine_chunks()
            rows = pc.list_parent_indices(written)
            yield table.take(rows.filter(pc.equal(pc.list_flatten(written), wanted)))


def _in_thread(sent: Sequence[pa.Table], thread_id: int, mended: Mapping[int, int]) -> Iterator[pa.Table]:
    """The messages of the owner in a thread."""
    moved = pa.array([each for each, thread in mended.items() if thread == thread_id], pa.int64())
    left = pa.array([each for each, thread in mended.items() if thread != thread_id], pa.int64())
    for table in sent:
        is_there = pc.equal(table["thread_id"], thread_id)
        if mended:
            is_there = pc.or_(is_there, pc.is_in(table["message_id"], moved))
            is_there = pc.and_(is_there, pc.invert(pc.is_in(table["message_id"], left)))
        yield table.filter(is_there)
