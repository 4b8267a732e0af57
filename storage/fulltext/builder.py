"""Builds splits: from the rows of a segment, or from other splits without reading their texts again.

A split indexes the words (storage/query/words.py) of every searchable field with their positions, a field's values
kept apart. The index stores no text; beside it, a split has the messages' summaries (summaries.py). A message is
identified by `user_id`, `message_id` and `received_at`, so its identity does not depend on the file that contains it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    """tantivy failed on these messages. Store them without a split; searches then scan them."""

    def __init__(self, messages: int) -> None:
        super().__init__(messages)
        self.messages = messages

    def __str__(self) -> str:
        return f"The words of {self.messages} messages cannot be indexed: store them without a word index."


#: The indexed fields, by the names that conditions use.
FIELDS = ("subject", "text", "from", "to", "cc", "bcc", "list", "filename", "deliveredto")
#: The fields that identify a message. received_at: milliseconds since 1970.
USER, MESSAGE, RECEIVED = "user_id", "message_id", "received_at"

#: Memory in bytes before tantivy writes a part of the index: enough for a whole segment, so that its index has one
#: part. With 15 MB, 4,000 messages make 5 parts, 20% larger and at 1.5 times the CPU.
_HEAP_BYTES = 64 << 20


@cache
def schema() -> tantivy.Schema:
    """The schema of every split. tantivy only splits the words at spaces: they are folded before."""
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field(USER, indexed=True, fast=True)
    builder.add_integer_field(MESSAGE, fast=True)
    builder.add_integer_field(RECEIVED, fast=True)
    for field in FIELDS:
        builder.add_text_field(field, tokenizer_name="whitespace", index_option="position")
    return builder.build()


def build(messages: pa.Table) -> Iterator[bytes]:
    """The split of messages (schemas.MESSAGES), in chunks; built when the first chunk is requested.

    Raises:
        NotIndexed.
    """
    with tantivy_errors(lambda: NotIndexed(messages.num_rows)), _folder() as folder:
        writer = tantivy.Index(schema(), str(folder)).writer(_HEAP_BYTES, 1)
        for document in _documents(messages):
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        yield from container.pack(folder, _live(folder), [messages])


def merge(splits: Mapping[str, tuple[int, container.Read]], messages: Iterable[pa.Table] = ()) -> Iterator[bytes]:
    """Merge splits into one, in chunks; the result finds every message that one of the splits finds.

    The parts of all splits become parts of the result; tantivy then merges parts where its policy has too many of one
    size (from eight on). No text is read or tokenized again. No message is dropped: to erase messages, `build` the
    split again from the remaining rows.

    Args:
        splits: name -> size in bytes and the function that reads it.
        messages: the merged messages, in the order of the merged segment, for their summaries.

    Raises:
        FileDamaged: a split is corrupt.
        NotIndexed: tantivy failed; build the split from the messages instead.
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
        yield from container.pack(folder, _live(folder), messages)


@contextmanager
def tantivy_errors(error: Callable[[], BackupError]) -> Iterator[None]:
    """Translate tantivy's errors into `error()`."""
    try:
        yield
    except (ValueError, OSError) as exc:
        raise error() from exc
    except BaseException as exc:
        # A violated assumption of tantivy ends in a Rust panic, a BaseException whose class cannot be imported.
        if type(exc).__name__ != "PanicException":
            raise
        raise error() from exc


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder. tantivy may create a lock file in it for half a second more; errors of that are ignored."""
    with TemporaryDirectory(prefix="gbm-split-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _live(folder: Path) -> list[str]:
    """The files of an index that its meta.json names; the others are remains of a merge."""
    segments = orjson.loads((folder / META).read_bytes())["segments"]
    parts = {segment["segment_id"].replace("-", "") for segment in segments}
    return [META, *sorted(path.name for path in folder.iterdir() if path.name.split(".")[0] in parts)]


def _parts_of(name: str, folder: Path) -> list[dict[str, Any]]:
    """The parts of the index whose meta.json was unpacked last."""
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
    """The schema of splits in tantivy's own notation."""
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
    """The values of every field, row by row, as `_content` of storage/mailbox/search.py has them."""
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
    """One member of a column of lists of structs; converting whole structs takes five times as long."""
    members: list[list[str | None]] = [[] for _ in range(len(column))]
    column = column.combine_chunks()
    values = pc.struct_field(pc.list_flatten(column), name).to_pylist()
    for row, value in zip(pc.list_parent_indices(column).to_pylist(), values, strict=True):
        members[row].append(value)
    return members


def _delivered(headers: pa.ChunkedArray) -> list[list[str | None]]:
    """The values of each message's Delivered-To headers."""
    delivered: list[list[str | None]] = [[] for _ in range(len(headers))]
    headers = headers.combine_chunks()
    flat = pc.list_flatten(headers)
    wanted = pc.equal(pc.utf8_lower(pc.struct_field(flat, "name")), "delivered-to")
    rows = pc.filter(pc.list_parent_indices(headers), wanted).to_pylist()
    values = pc.filter(pc.struct_field(flat, "value"), wanted).to_pylist()
    for row, value in zip(rows, values, strict=True):
        delivered[row].append(value)
    return delivered
