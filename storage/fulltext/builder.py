"""Makes splits: of the rows of a segment, and of other splits without looking at any text again.

A split indexes the words (language/words.py) of every field that a search can name, with their positions, a field's
values apart; it stores no text. A message in it is known by `user_id`, `message_id` and `received_at`, so it stays
the same message in whichever file it lies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import tantivy

from storage.errors import BackupError
from storage.files.blobs import FileDamaged
from storage.fulltext import container
from storage.fulltext.container import META
from storage.query.words import separated


class NotIndexed(BackupError):
    """tantivy failed on these messages. Store them without a split; searches scan them instead."""

    def __init__(self, messages: int) -> None:
        super().__init__(messages)
        self.messages = messages

    def __str__(self) -> str:
        return f"The words of {self.messages} messages cannot be indexed: store them without a word index."


#: The fields of words, by the names that conditions use.
FIELDS = ("subject", "text", "from", "to", "cc", "bcc", "list", "filename", "deliveredto")
#: What names a message. received_at: milliseconds since 1970.
USER, MESSAGE, RECEIVED = "user_id", "message_id", "received_at"

#: What tantivy may hold before it writes a part of the index: a whole segment, so that its index has one part. With
#: 15 MB, 4,000 messages make 5 parts, 20% larger and at 1.5 times the CPU.
_HEAP_BYTES = 64 << 20


@cache
def schema() -> tantivy.Schema:
    """The schema of every split. Words reach tantivy folded and separated by spaces: it splits there, no more."""
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field(USER, indexed=True, fast=True)
    builder.add_integer_field(MESSAGE, fast=True)
    builder.add_integer_field(RECEIVED, fast=True)
    for field in FIELDS:
        builder.add_text_field(field, tokenizer_name="whitespace", index_option="position")
    return builder.build()


def build(messages: pa.Table) -> Iterator[bytes]:
    """The split of messages (schemas.MESSAGES), in chunks, made when the first is asked for.

    Raises:
        NotIndexed.
    """
    with tantivy_errors(lambda: NotIndexed(messages.num_rows)), _folder() as folder:
        writer = tantivy.Index(schema(), str(folder)).writer(_HEAP_BYTES, 1)
        for document in _documents(messages):
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        yield from container.pack(folder, _live(folder))


def merge(splits: Mapping[str, tuple[int, container.Read]]) -> Iterator[bytes]:
    """One split of several, in chunks: what each of them finds, it finds.

    The parts of all become the parts of one; tantivy then merges those that its policy finds too many of a size
    (from eight on). No text is read and no word is looked at again. Every message stays: one that must go, as in an
    erasure, is left out by `build` from the rows that remain.

    Args:
        splits: name -> size in bytes and what reads it.

    Raises:
        FileDamaged: one of them is not what was written.
        NotIndexed: make it of the messages instead.
    """
    with _folder() as folder:
        parts: list[dict[str, Any]] = []
        for name, (size_bytes, read) in splits.items():
            container.unpack(name, size_bytes, read, folder)
            parts += _parts_of(name, folder)
        meta = orjson.loads((folder / META).read_bytes())
        (folder / META).write_bytes(orjson.dumps({**meta, "segments": parts}))
        with tantivy_errors(lambda: NotIndexed(sum(part["max_doc"] for part in parts))):
            writer = tantivy.Index.open(str(folder)).writer(_HEAP_BYTES, 1)
            writer.commit()
            writer.wait_merging_threads()
        yield from container.pack(folder, _live(folder))


@contextmanager
def tantivy_errors(error: Callable[[], BackupError]) -> Iterator[None]:
    """What tantivy says is wrong, as an error of ours."""
    try:
        yield
    except (ValueError, OSError) as exc:
        raise error() from exc
    except BaseException as exc:
        # What tantivy is sure of and is not so ends in a panic, which is no Exception and has no name to import.
        if type(exc).__name__ != "PanicException":
            raise
        raise error() from exc


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder. For half a second tantivy may put a lock into it once more: that fails nobody's work."""
    with TemporaryDirectory(prefix="gbm-split-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _live(folder: Path) -> list[str]:
    """The files of an index that its meta.json names; others are remains of a merge."""
    segments = orjson.loads((folder / META).read_bytes())["segments"]
    parts = {segment["segment_id"].replace("-", "") for segment in segments}
    return [META, *sorted(path.name for path in folder.iterdir() if path.name.split(".")[0] in parts)]


def _parts_of(name: str, folder: Path) -> list[dict[str, Any]]:
    """The parts of the index whose meta.json came last into a folder."""
    try:
        meta = orjson.loads((folder / META).read_bytes())
        parts = list(meta["segments"])
        complete = all((folder / f"{part['segment_id'].replace('-', '')}.term").exists() for part in parts)
        known = meta["schema"] == _own_schema()
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise FileDamaged(name, f"its {META} cannot be read") from exc
    if not complete or not known:
        raise FileDamaged(name, "it lacks a part, or indexes something else")
    return parts


@cache
def _own_schema() -> object:
    """The schema of splits, as tantivy writes it down."""
    with _folder() as folder:
        tantivy.Index(schema(), str(folder))
        return orjson.loads((folder / META).read_bytes())["schema"]


def _documents(messages: pa.Table) -> Iterator[tantivy.Document]:
    columns = _columns(messages)
    received = pc.cast(messages[RECEIVED], pa.int64()).to_pylist()
    for row, (user_id, message_id) in enumerate(
        zip(messages[USER].to_pylist(), messages[MESSAGE].to_pylist(), strict=True)
    ):
        document = tantivy.Document()
        document.add_integer(USER, user_id)
        document.add_integer(MESSAGE, message_id)
        document.add_integer(RECEIVED, received[row])
        for field, values in columns.items():
            for value in values[row]:
                if value:
                    document.add_text(field, separated(value))
        yield document


def _columns(messages: pa.Table) -> dict[str, Sequence[Sequence[str | None]]]:
    """The values of every field, row by row, as finding.py's `_content` has them."""
    columns: dict[str, Sequence[Sequence[str | None]]] = {
        "subject": _single(messages["subject"]),
        "text": _single(messages["text"]),
        "from": _single(messages["from"]),
        "list": _single(messages["list_id"]),
        "to": messages["to"].to_pylist(),
        "cc": messages["cc"].to_pylist(),
        "bcc": messages["bcc"].to_pylist(),
        "filename": _member(messages["attachments"], "filename"),
        "deliveredto": _delivered(messages["headers"]),
    }
    return columns


def _single(column: pa.ChunkedArray) -> list[tuple[str | None]]:
    return [(value,) for value in column.to_pylist()]


def _member(column: pa.ChunkedArray, name: str) -> list[list[str | None]]:
    """One member of a column of lists of structures; whole structures cost five times as much."""
    found: list[list[str | None]] = [[] for _ in range(len(column))]
    column = column.combine_chunks()
    values = pc.struct_field(pc.list_flatten(column), name).to_pylist()
    for row, value in zip(pc.list_parent_indices(column).to_pylist(), values, strict=True):
        found[row].append(value)
    return found


def _delivered(headers: pa.ChunkedArray) -> list[list[str | None]]:
    """The values of each message's Delivered-To headers."""
    found: list[list[str | None]] = [[] for _ in range(len(headers))]
    headers = headers.combine_chunks()
    flat = pc.list_flatten(headers)
    wanted = pc.equal(pc.utf8_lower(pc.struct_field(flat, "name")), "delivered-to")
    rows = pc.filter(pc.list_parent_indices(headers), wanted).to_pylist()
    values = pc.filter(pc.struct_field(flat, "value"), wanted).to_pylist()
    for row, value in zip(rows, values, strict=True):
        found[row].append(value)
    return found
