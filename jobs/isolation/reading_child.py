"""The process that reads mail for the gateway: `python -m jobs.isolation.reading_child REQUESTS ANSWERS MEMORY_BYTES`.

Asked by reading.py. After it has loaded all that reading takes, the kernel refuses it files, network and processes.
"""

import codecs
import encodings
import pickle
import pkgutil
import sys
from contextlib import suppress

from jobs.isolation.frames import answer_steps, limit_memory
from jobs.mime import reading
from jobs.mime.display import display
from jobs.mime.parser import attachment
from storage.sql_sandbox import wall

_MAIL = b"Subject: =?utf-8?q?x?=\nContent-Type: text/html\n\n<p>words</p>"


def begin(_: object) -> bytes:
    """Load what is loaded on first use, then confine this process; the kernel's features that are missing, pickled."""
    for module in pkgutil.iter_modules(encodings.__path__):
        with suppress(LookupError, ImportError):  # those of other systems, and modules that are no codec
            codecs.lookup(module.name)
    body(_MAIL)
    page((_MAIL, False))
    part((_MAIL, "1"))
    return pickle.dumps(wall.build())


def body(raw: bytes) -> bytes:
    """What a message says: `storage.model.results.Body`, pickled."""
    return pickle.dumps(reading.body(raw), pickle.HIGHEST_PROTOCOL)


def page(asked: tuple[bytes, bool]) -> bytes:
    """A message as harmless HTML. asked: the message, and whether to show remote images."""
    return display(*asked).encode("utf-8", "surrogatepass")


def part(asked: tuple[bytes, str]) -> bytes:
    """One part of a message, or None, pickled. asked: the message, and the part's number."""
    return pickle.dumps(attachment(*asked), pickle.HIGHEST_PROTOCOL)


def main(requests: int, answers: int, memory_bytes: int) -> None:
    """Answer requests until the pipe is closed."""
    limit_memory(memory_bytes)
    answer_steps(requests, answers, {"begin": begin, "body": body, "page": page, "part": part})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
