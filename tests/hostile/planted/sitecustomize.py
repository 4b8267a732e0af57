"""A parser with planted faults, in every process whose PYTHONPATH has this folder. Told by the message's body."""

import ctypes

from jobs.mime import parser

_tree = parser.tree
_hoard: list[bytearray] = []


def _planted(raw: bytes, *arguments: object) -> object:
    if b"planted-hang" in raw:
        while True:
            pass
    if b"planted-eater" in raw:
        while True:
            _hoard.append(bytearray(64 << 20))
    if b"planted-crash" in raw:
        ctypes.string_at(0)  # not a signal, which a confined process may not send
    return _tree(raw, *arguments)  # type: ignore[arg-type]


parser.tree = _planted  # type: ignore[assignment]
