"""Reads single messages: parsed content, and exact bytes.

Every query is bound to the user's id. Blocking: call it from a thread.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from storage.db.engines import Source, transaction
from storage.errors import BackupError
from storage.files.blobs import FileDamaged, FileMissing, LocalBlobs
from storage.mailbox import label_judgement
from storage.mailbox.acquaintance import Acquaintances, MailboxEvidence
from storage.mailbox.analysis_reader import Analyses
from storage.mailbox.as_of import as_of_query, as_of_values
from storage.mailbox.classification import classification_of
from storage.mailbox.lookups import Located
from storage.mailbox.row_mapping import attachment_of, location_of, summary_of
from storage.mailbox.segment_files import MailFiles, retry_on_missing_file
from storage.model.acquaintance import Acquaintance
from storage.model.message_id import to_hex
from storage.model.results import UNPARSABLE, Body, Email
from storage.segments.file_names import PARQUET_SUFFIX
from storage.segments.frame_cache import Frames

_LOG = logging.getLogger(__name__)


class MessageUnparsable(BackupError):
    """Parsing the message takes too long, or too much memory. Get its exact bytes."""

    def __init__(self, message_id: int) -> None:
        super().__init__(message_id)
        self.message_id = message_id

    def __str__(self) -> str:
        return (
            f"The message {to_hex(self.message_id)} cannot be displayed, because parsing it exceeded a limit: "
            "get its exact bytes."
        )


class ReadingStopped(BackupError):
    """Reading a message exceeded a limit. Get its exact bytes."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"The message cannot be displayed, because reading it was stopped ({self.code}): get its exact bytes."


class Single:
    """Reads one user's messages by id."""

    def __init__(
        self,
        user_id: int,
        engine: Source,
        blobs: LocalBlobs,
        files: MailFiles,
        body: Callable[[bytes], Body] | None,
        frames: Frames | None = None,
    ) -> None:
        """Store the sources.

        Args:
            body: MIME parser, which may raise ReadingStopped; None reads the stored Parquet columns.
            frames: cache of frames; None: no cache.
        """
        self._user_id, self._engine = user_id, engine
        self._frames = frames or Frames(blobs, kept_bytes=0)
        self._files, self._read_body = files, body
        self._analyses = Analyses(user_id, engine, blobs)
        self._acquaintances = Acquaintances(user_id, engine, files)

    def email(self, message_id: int, as_of: datetime | None = None) -> Email | None:
        """One message without its raw bytes, now or as of a time; None when the user has (had) no such message."""
        return retry_on_missing_file(lambda: self._email(message_id, as_of))

    def _email(self, message_id: int, as_of: datetime | None) -> Email | None:
        row = self._locate(message_id, as_of)
        if row is None:
            return None
        labels = self._classification(message_id, as_of)
        return self._read(row, lambda: self._present_analysis(message_id), labels, as_of)

    def _present_analysis(self, message_id: int) -> dict[str, dict[str, Any]] | None:
        """A message's analysis. A file that is missing twice is lost, and costs the analysis alone."""
        try:
            return retry_on_missing_file(lambda: self._analyses.of(message_id))
        except FileMissing as exc:
            raise FileDamaged(exc.name, exc.reason) from exc

    def email_at(self, located: Located) -> Email | None:
        """The message in this state, without its raw bytes; None if its files were merged since it was located.

        Raises:
            FileDamaged.
        """
        assert located.user_id == self._user_id
        try:
            return self._read(
                _row_of(located),
                lambda: self._analyses.in_file(located.analysis, located.message_id),
                located.classification,
            )
        except FileMissing:
            return None

    def raw_at(self, located: Located) -> bytes | None:
        """The exact bytes of the message. Otherwise as `email_at`."""
        assert located.user_id == self._user_id
        try:
            return self._frames.at(located.segment, located.location)
        except FileMissing:
            return None

    def _read(
        self,
        row: dict[str, Any],
        analysis: Callable[[], dict[str, dict[str, Any]] | None],
        classification: str,
        as_of: datetime | None = None,
    ) -> Email:
        [content] = self._files.summaries([row])
        body, is_exact = self._body(row, content["defects"])
        analysed, is_read = self._analysis(row["message_id"], analysis)
        summary = summary_of(row, content)
        mailbox = self._acquaintances.mailbox(as_of)
        acquaintance, is_known = self._acquaintance(mailbox, row, as_of)
        judgement = mailbox.corrections.get(row["message_id"])
        return Email(
            summary=summary,
            text=body.text,
            headers=body.headers,
            attachments=body.attachments,
            sha256=bytes(row["sha256"]).hex(),
            analysis=label_judgement.corrected(analysed, summary.labels, acquaintance, judgement),
            classification=classification,
            acquaintance=acquaintance,
            judgement=judgement,
            is_whole=is_exact and is_read and is_known,
        )

    def _acquaintance(
        self, mailbox: MailboxEvidence, row: dict[str, Any], as_of: datetime | None
    ) -> tuple[Acquaintance | None, bool]:
        """The mailbox's evidence about the writer, and whether it was read: a damaged file is logged."""
        try:
            return self._acquaintances.of(mailbox, row["message_id"], row["thread_id"], as_of), True
        except FileDamaged as exc:  # also a file of other messages that is missing
            _LOG.error("Message %s is returned without evidence: %s", to_hex(row["message_id"]), exc)
            return None, False

    def _analysis(
        self, message_id: int, ask: Callable[[], dict[str, dict[str, Any]] | None]
    ) -> tuple[dict[str, dict[str, Any]] | None, bool]:
        """A message's analysis, and whether it was read: a message whose file is damaged is shown as not analysed."""
        try:
            return ask(), True
        except FileMissing:
            raise
        except FileDamaged as exc:
            _LOG.error("Message %s is returned without its analysis: %s", to_hex(message_id), exc)
            return None, False

    def _body(self, row: dict[str, Any], defects: Sequence[str]) -> tuple[Body, bool]:
        """Parse the exact bytes: reading a frame takes 1 ms, a row group's texts and headers 20 ms.

        Without a parser, or when the bytes are damaged, or must not or cannot be parsed, read the Parquet file; then
        the second value says whether that is so every time.
        """
        is_exact = True
        if self._read_body is not None and UNPARSABLE.isdisjoint(defects):
            try:
                return self._read_body(self._exact(row)), True
            except FileMissing:
                raise
            except (FileDamaged, ReadingStopped) as exc:
                _LOG.warning("Message %s is read from its Parquet file: %s", to_hex(row["message_id"]), exc)
                is_exact = False
        file = row["segment"] + PARQUET_SUFFIX
        values = {"message_id": row["message_id"], "received_at": row["received_at"]}
        [columns] = self._files.rows("email", [file], values)
        body = Body(
            text=columns["text"],
            headers=tuple((header["name"], header["value"]) for header in columns["headers"]),
            attachments=tuple(attachment_of(part) for part in columns["attachments"]),
        )
        return body, is_exact

    def raw(self, message_id: int, as_of: datetime | None = None) -> bytes | None:
        """The exact bytes of a message, verified against their SHA-256; None when the user has (had) no such message.

        Raises:
            FileDamaged.
        """
        return retry_on_missing_file(lambda: self._raw(message_id, as_of))

    def _raw(self, message_id: int, as_of: datetime | None) -> bytes | None:
        row = self._locate(message_id, as_of)
        if row is None:
            return None
        return self._exact(row)

    def parsable(self, message_id: int, as_of: datetime | None = None) -> bytes | None:
        """As `raw`, for a caller that parses the bytes.

        Raises:
            FileDamaged.
            MessageUnparsable: they would end the caller's process.
        """
        return retry_on_missing_file(lambda: self._parsable(message_id, as_of))

    def _parsable(self, message_id: int, as_of: datetime | None) -> bytes | None:
        row = self._locate(message_id, as_of)
        if row is None:
            return None
        [content] = self._files.summaries([row])
        if not UNPARSABLE.isdisjoint(content["defects"]):
            raise MessageUnparsable(message_id)
        return self._exact(row)

    def _exact(self, row: dict[str, Any]) -> bytes:
        return self._frames.at(row["segment"], location_of(row))

    def _locate(self, message_id: int, as_of: datetime | None) -> dict[str, Any] | None:
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "message_id": message_id, **as_of_values(as_of)}
            row = connection.execute(as_of_query("email_location", as_of), values).first()
            return dict(row._mapping) if row else None

    def _classification(self, message_id: int, as_of: datetime | None) -> str:
        with transaction(self._engine) as connection:
            return classification_of(connection, self._user_id, [message_id], as_of).get(message_id, "")


def _row_of(located: Located) -> dict[str, Any]:
    """A row as `_locate` returns it."""
    location = located.location
    return {
        "message_id": located.message_id,
        "thread_id": located.thread_id,
        "received_at": located.received_at,
        "labels": located.labels,
        "size_bytes": location.size_bytes,
        "deleted_at": located.deleted_at,
        "segment": located.segment,
        "sha256": location.sha256,
        "frame_offset": location.frame_offset,
        "frame_bytes": location.frame_bytes,
        "raw_offset": location.raw_offset,
    }
