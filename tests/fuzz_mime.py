"""Fuzzes the MIME parser for as long as wanted: `python -m tests.fuzz_mime SECONDS [FOLDER.tar.gz ...]`.

Takes messages of the archives (and built ones), damages each a little, and checks what must hold of any message. The
first that fails is written to `mime-failure.eml` in the current directory and raised. Repeatable: the seed is printed
and may be given as FUZZ_SEED=N before the archives.
"""

import random
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.unit.jobs.mime.strategies import TOKENS, check
from tests.unit.jobs.mime.test_parser import MIXED
from tests.unit.jobs.mime.test_tnef import WINMAIL, mail_of

_BYTES_MAX = 100_000
_FAILURE = Path("mime-failure.eml")


def main(arguments: Sequence[str]) -> None:
    """Fuzz for the given number of seconds.

    Raises:
        AssertionError, Exception: what the parser did wrong on the message in `mime-failure.eml`.
    """
    seconds = float(arguments[0]) if arguments else 60.0
    seeds = [argument for argument in arguments[1:] if argument.startswith("FUZZ_SEED=")]
    seed = int(seeds[0].partition("=")[2]) if seeds else time.time_ns()
    chance = random.Random(seed)
    mails = [MIXED, mail_of(WINMAIL), *_real(argument for argument in arguments[1:] if argument not in seeds)]
    print(f"FUZZ_SEED={seed}, {len(mails)} messages to begin with")  # noqa: T201
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        raw = _damaged(chance, mails)
        try:
            check(raw)
        except BaseException:
            _FAILURE.write_bytes(raw)
            raise
        count += 1
    print(f"{count} messages, none failed")  # noqa: T201


def _damaged(chance: random.Random, mails: Sequence[bytes]) -> bytes:
    raw = chance.choice(mails)
    for _ in range(chance.randint(1, 12)):
        position = chance.randrange(len(raw) + 1)
        end = position + chance.choice([0, 0, 1, 2, 10, 80, 500])
        kind = chance.random()
        if kind < 0.4:
            piece = chance.choice(TOKENS)
        elif kind < 0.6:
            piece = chance.randbytes(chance.randint(0, 8))
        elif kind < 0.8:  # a piece of another message
            other = chance.choice(mails)
            start = chance.randrange(len(other) + 1)
            piece = other[start : start + chance.choice([5, 50, 500])]
        else:  # a piece of its own, several times
            start = chance.randrange(len(raw) + 1)
            piece = raw[start : start + chance.choice([1, 5, 50])] * chance.randint(1, 20)
        raw = (raw[:position] + piece + raw[end:])[:_BYTES_MAX]
    return raw


def _real(archives: Iterator[str]) -> Iterator[bytes]:
    for archive in archives:
        with tarfile.open(archive) as members:
            for member in members:
                file = members.extractfile(member)
                if file is not None and member.size <= _BYTES_MAX:
                    yield file.read()


if __name__ == "__main__":
    main(sys.argv[1:])
