"""Who wrote to a user and to whom the user wrote, per Parquet file and per mailbox, with caches. A file never changes.

The owner's messages are those that Gmail labels SENT: anybody can write the owner's address into a message. Addresses
are hashes of this process's DuckDB. Every query is bound to the user's id. Thread-safe; blocking.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from storage.files.bounded_cache import BoundedCache
from storage.mailbox.segment_files import MailFiles

#: Limit of each cache, in bytes of memory: about 40 a message.
_KEPT_BYTES = 48 << 20
#: Recipients of one message that count.
_MOST_RECIPIENTS = 200

SCHEMA = pa.schema(
    [
        pa.field("message_id", pa.int64()),
        pa.field("thread_id", pa.int64()),  # as its file names it
        pa.field("received_ms", pa.int64()),
        pa.field("sender", pa.uint64()),  # null: the message names no address
        pa.field("is_same_domain", pa.bool_()),  # another address in the domain of the owner's
        pa.field("is_sent", pa.bool_()),  # the owner sent it
        pa.field("written", pa.list_(pa.uint64())),  # to whom; null: the owner did not send it
    ]
)


@dataclass(frozen=True, slots=True)
class MailboxContacts:
    """The contacts of a whole mailbox. rows, sent: of SCHEMA; sent: those that the owner sent.

    written_to, written_in: recipients of `sent`, and the row of `sent` that each belongs to.
    """

    rows: pa.Table
    sent: pa.Table
    written_to: pa.Array
    written_in: pa.Array

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return int(self.rows.nbytes + self.sent.nbytes + self.written_to.nbytes + self.written_in.nbytes)


class Contacts:
    """The least recently used rows are evicted first."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept: BoundedCache[tuple[int, str, str], pa.Table] = BoundedCache(kept_bytes, lambda table: table.nbytes)
        self._mailboxes: BoundedCache[tuple[int, str, tuple[str, ...]], MailboxContacts] = BoundedCache(
            kept_bytes, lambda mailbox: mailbox.nbytes
        )

    def of_mailbox(self, user_id: int, owner: str, files: MailFiles, names: list[str]) -> MailboxContacts:
        """The contacts of a mailbox with these Parquet files. Otherwise as `of`."""
        key = user_id, owner, tuple(names)
        if (mailbox := self._mailboxes.get(key)) is None:
            tables = self.of(user_id, owner, files, names)
            rows = pa.concat_tables(tables).combine_chunks() if tables else SCHEMA.empty_table()
            sent = rows.filter(rows["is_sent"]).combine_chunks()
            written = sent["written"].combine_chunks() if sent.num_rows else pa.array([], SCHEMA.field("written").type)
            mailbox = MailboxContacts(rows, sent, pc.list_flatten(written), pc.list_parent_indices(written))
            self._mailboxes.keep(key, mailbox)
        return mailbox

    def of(self, user_id: int, owner: str, files: MailFiles, names: list[str]) -> list[pa.Table]:
        """A table of SCHEMA for each of a user's Parquet files, in order.

        Args:
            owner: the owner's address, in lower case; "": unknown.

        Raises:
            FileDamaged.
        """
        known = {name: table for name in names if (table := self._kept.get((user_id, owner, name))) is not None}
        if unknown := [name for name in names if name not in known]:
            known |= self._read(user_id, owner, files, unknown)
        return [known[name] for name in names]

    def _read(self, user_id: int, owner: str, files: MailFiles, names: list[str]) -> dict[str, pa.Table]:
        read = {}
        for name in names:  # one by one: DuckDB's rows of all files at once would take twice the memory
            values = {"owner": owner, "recipients": _MOST_RECIPIENTS}
            table = files.table("contacts_of_files", [name], values).select(SCHEMA.names).cast(SCHEMA).combine_chunks()
            self._kept.keep((user_id, owner, name), table)
            read[name] = table
        return read


#: This process's cache.
SHARED = Contacts()
