"""A parser with planted faults, in every process whose PYTHONPATH has this folder. Told by the message's body."""

import os
import signal

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
        os.kill(os.getpid(), signal.SIGSEGV)
    return _tree(raw, *arguments)  # type: ignore[arg-type]


parser.tree = _planted  # type: ignore[assignment]
