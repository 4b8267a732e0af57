"""Manipulated files of an archive, each a function of the bytes that it would take in memory if it were believed.

Of a few hundred bytes each: compression, run-length encoding and counts that lie. `RAW_FILES`, `SPLITS`, `PARQUETS`,
`ROLLUPS` and `MANIFESTS` (of a backup) by name.
"""

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from storage.files.raw_file import RAW_INDEX
from storage.model.schemas import MESSAGES
from storage.recovery.rollup_writer import TABLES

Made = Callable[[int], bytes]

_SKIPPABLE = struct.Struct("<II")
_FOOTER = struct.Struct("<Q8s")
_ROW_BYTES = 72


def _zeros(size: int) -> bytes:
    """A zstd frame of so many zeros, made without holding them."""
    compressor = zstandard.ZstdCompressor().compressobj(size=size)
    piece = bytes(1 << 20)
    pieces = [compressor.compress(piece[: min(len(piece), size - at)]) for at in range(0, size, len(piece))]
    return b"".join(pieces) + compressor.flush()


def _ended(body: bytes, table: bytes, magic: bytes) -> bytes:
    """A file whose table, compressed already, stands where its footer says."""
    footer = _FOOTER.pack(len(body), magic)
    return body + _SKIPPABLE.pack(0x184D2A5B, len(table)) + table + _SKIPPABLE.pack(0x184D2A5B, len(footer)) + footer


def _raw(table: bytes) -> bytes:
    return _ended(b"", table, b"GBMRAW01")


def _index(rows: int, compression: str | None = None) -> bytes:
    widths = {pa.int64(): 8, pa.int32(): 4}
    zeros = bytes(32 * rows)
    arrays = [
        pa.Array.from_buffers(field.type, rows, [None, pa.py_buffer(zeros)[: widths.get(field.type, 32) * rows]])
        for field in RAW_INDEX
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, RAW_INDEX, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=RAW_INDEX))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def _claiming(rows: int) -> bytes:
    """The index of one message, whose stream says that it has so many."""
    index = bytearray(_index(1))
    at = index.index(struct.pack("<q", 1), 400)
    index[at : at + 8] = struct.pack("<q", rows)
    return bytes(index)


RAW_FILES: dict[str, Made] = {
    "an index whose buffers inflate": lambda size: _raw(_packed(_index(size // _ROW_BYTES, "zstd"))),
    "an index whose buffers inflate by another codec": lambda size: _raw(_packed(_index(size // _ROW_BYTES, "lz4"))),
    "an index of zeros": lambda size: _raw(_zeros(size)),
    "an index of unknown size": lambda size: _raw(
        zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 9)
    ),
    "an index that claims rows": lambda size: _raw(_packed(_claiming(size))),
    "an index that is no stream": lambda size: _raw(_packed(b"\xff" * 64)),
    "a footer that points behind the file": lambda size: _raw(b"")[:-16] + _FOOTER.pack(size, b"GBMRAW01"),
    "a footer that points at itself": lambda size: _ended(b"", b"", b"GBMRAW01")[8:],
}


def _split(*files: dict[str, Any], body: bytes = b"") -> bytes:
    return _ended(body, _packed(orjson.dumps({"files": list(files)})), b"GBMSPL01")


def _entry(name: str, size_bytes: int, stored_bytes: int = 9, offset: int = 0) -> dict[str, Any]:
    return {"name": name, "offset": offset, "stored_bytes": stored_bytes, "size_bytes": size_bytes}


def _bomb(size: int) -> bytes:
    body = _zeros(size)
    return _split(_entry("meta.json", size, len(body)), body=body)


def _part_bomb(size: int) -> bytes:
    meta = _packed(b'{"segments":[]}')
    body = meta + _zeros(size)
    part = _entry(f"{0:032x}.pos", size, len(body) - len(meta), len(meta))
    return _split(_entry("meta.json", 15, len(meta)), part, body=body)


SPLITS: dict[str, Made] = {
    "a file that inflates": _bomb,
    "a part that inflates": _part_bomb,
    "a part that inflates to more than it declares": lambda size: _split(
        _entry("meta.json", 1, 9), _entry(f"{0:032x}.pos", 1, len(_zeros(size)), 9), body=b"x" * 9 + _zeros(size)
    ),
    "a table of zeros": lambda size: _ended(b"", _zeros(size), b"GBMSPL01"),
    "a table of deep JSON": lambda size: _ended(b"", _packed(b"[" * 100_000), b"GBMSPL01"),
    "a table of many files": lambda size: _split(
        *(_entry(f"{number:032x}.term", 0) for number in range(9_000)), _entry("meta.json", 0), body=b"x" * 9
    ),
    "an absolute path": lambda size: _split(_entry("/tmp/meta.json", 1), body=b"x" * 9),
    "a path upwards": lambda size: _split(_entry("../meta.json", 1), _entry("meta.json", 1), body=b"x" * 9),
    "a number that is a text": lambda size: _split({**_entry("meta.json", 1), "offset": "x"}, body=b"x" * 9),
    "a number beyond all": lambda size: _split(_entry("meta.json", 1, 1 << 62), body=b"x" * 9),
}


def _parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=max(table.num_rows, 1), **options)
    return sink.getvalue()


def _repeated(rows: int) -> bytes:
    """So many rows of one message, of which run-length encoding leaves nothing."""
    ids = pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(bytes(8 * rows))])
    return _parquet(pa.table({"user_id": ids, "message_id": ids}))


def _listed(values: int) -> bytes:
    """One row with a list of so many values."""
    offsets = pa.array([0, values], pa.int32())
    names = pa.Array.from_buffers(pa.int8(), values, [None, pa.py_buffer(bytes(values))])
    return _parquet(pa.table({"user_id": [1], "message_id": [1], "to": pa.ListArray.from_arrays(offsets, names)}))


PARQUETS: dict[str, Made] = {
    "rows that repeat": lambda size: _repeated(max(size // 8, 21_000_000)),
    "a list of many values": lambda size: _listed(size // 40),
    "no Parquet": lambda size: b"PAR1" * 10,
    "a footer longer than the file": lambda size: b"PAR1" + struct.pack("<I", 0x7FFFFFFF) + b"PAR1",
    "other columns": lambda size: _parquet(pa.table({"user_id": ["x"]})),
    "columns of other types": lambda size: _parquet(pa.table({name: ["x"] for name in MESSAGES.names})),
}


def _table(name: str, rows: int = 1, **columns: pa.Array) -> bytes:
    """A table of a roll-up, of nulls but for these columns."""
    schema = TABLES[name]
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in schema]
    return _parquet(pa.Table.from_arrays(arrays, schema=schema))


def _constant(value: str, count: int) -> pa.Array:
    """So many times the same text, made without holding it."""
    return pa.DictionaryArray.from_arrays(
        pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(bytes(4 * count))]), pa.array([value])
    )


def _constants(name: str, column: str, text: str, count: int) -> bytes:
    """A table of a roll-up in which one text stands in every row. The writer keeps it once."""
    schema = TABLES[name]
    kinds = [
        pa.field(field.name, pa.dictionary(pa.int32(), field.type)) if field.name == column else field
        for field in schema
    ]
    arrays = [_constant(text, count) if field.name == column else pa.nulls(count, field.type) for field in schema]
    return _parquet(pa.Table.from_arrays(arrays, schema=pa.schema(kinds)), store_schema=False)


_ROLLUP: dict[str, object] = {
    "version": 1,
    "shard_id": 0,
    "epoch": 1,
    "number": 1,
    "event_id": 1,
    "changed_from": "2026-11-01T00:00:00+00:00",
    "made_at": "2026-11-01T00:00:00+00:00",
}


def _rollup(
    manifest: bytes | None = None, compression: int = zipfile.ZIP_STORED, more: tuple[str, ...] = (), **tables: bytes
) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", compression) as archive:
        archive.writestr("manifest.json", orjson.dumps(_ROLLUP) if manifest is None else manifest)
        for name in TABLES:
            archive.writestr(f"{name}.parquet", tables.get(name, _table(name)))
        for name in more:
            archive.writestr(name, b"x")
    return sink.getvalue()


def sound_rollup(size: int) -> bytes:
    """A roll-up that is none of the constructs: it is read."""
    return _rollup()


def _told(**changes: object) -> bytes:
    return orjson.dumps({**_ROLLUP, **changes})


ROLLUPS: dict[str, Made] = {
    "a manifest that inflates": lambda size: _rollup(bytes(size), zipfile.ZIP_DEFLATED),
    "a manifest of zeros": lambda size: _rollup(bytes(min(size, 1 << 20))),
    "a deep manifest": lambda size: _rollup(b"[" * 60_000),
    "a manifest that is a list": lambda size: _rollup(b"[]"),
    "a number beyond all": lambda size: _rollup(_told(number=1 << 63)),
    "a number below zero": lambda size: _rollup(_told(epoch=-1)),
    "a number that is a text": lambda size: _rollup(_told(event_id="1")),
    "a version of no release": lambda size: _rollup(_told(version=1 << 40)),
    "a time without a zone": lambda size: _rollup(_told(changed_from="2026-11-01T00:00:00")),
    "a time that is a text": lambda size: _rollup(_told(made_at="now() --")),
    "a file more": lambda size: _rollup(more=("x.parquet",)),
    "an absolute path": lambda size: _rollup(more=("/tmp/x.parquet",)),
    "a path upwards": lambda size: _rollup(more=("../x.parquet",)),
    "many files": lambda size: _rollup(more=tuple(f"{number}.parquet" for number in range(min(size >> 12, 20_000)))),
    "a compressed table": lambda size: _rollup(compression=zipfile.ZIP_DEFLATED, events=bytes(size)),
    "no Parquet": lambda size: _rollup(events=b"PAR1" * 10),
    "a footer longer than the file": lambda size: _rollup(states=b"PAR1" + struct.pack("<I", 0x7FFFFFFF) + b"PAR1"),
    "other columns": lambda size: _rollup(labels=_parquet(pa.table({"user_id": ["x"]}))),
    "labels of one message": lambda size: _rollup(
        states=_table(
            "states",
            labels=pa.ListArray.from_arrays(pa.array([0, size // 8], pa.int32()), pa.nulls(size // 8, pa.string())),
        )
    ),
    "an error that repeats": lambda size: _rollup(failed=_constants("failed", "error", "x" * 100_000, size // 50_000)),
    "an address that repeats": lambda size: _rollup(
        mailboxes=_constants("mailboxes", "email", "x" * 1_000_000, size // 500_000)
    ),
    "no ZIP": lambda size: b"PK" * 50,
    "an end that points behind the file": lambda size: _rollup()[:-6] + struct.pack("<I", 0x7FFFFFFF) + b"\0\0",
}

MANIFESTS: dict[str, Made] = {
    "deep lists": lambda size: b"[" * 1_000_000,
    "deep objects": lambda size: b'{"databases":' * 100_000,
    "a deep database": lambda size: b'{"format":1,"taken_at":"","databases":{"control":' + b'{"a":' * 50_000,
    "a number of many digits": lambda size: b'{"format":' + b"9" * 1_000_000 + b"}",
    "a long name": lambda size: orjson.dumps({"format": 1, "taken_at": "", "databases": {"x" * 1_000_000: {}}}),
    "a list of databases": lambda size: orjson.dumps({"format": 1, "taken_at": "", "databases": [1] * 100_000}),
    "a sequence below zero": lambda size: orjson.dumps(
        {
            "format": 1,
            "taken_at": "",
            "databases": {"control": {"revision": "0001", "tables": [], "sequences": {"x": -1}}},
        }
    ),
    "nothing": lambda size: b"",
    "zeros": lambda size: bytes(1_000_000),
    "no UTF-8": lambda size: b'{"format":"\xff\xfe"}',
    "escapes for a terminal": lambda size: orjson.dumps(
        {"format": 1, "taken_at": "", "databases": {"\x1b]0;x\x07": {}}}
    ),
}
