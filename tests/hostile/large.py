"""Runs a share of the constructs at one size, and says which took too long or whether too much memory was taken.

`python -m tests.hostile.large SHARE SHARES SIZE_BYTES SECONDS MEGABYTES`; the exit code is 1 when one is over.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.hostile import driving
from tests.hostile.constructs import MAIL
from tests.hostile.texts import QUERIES, TEXTS


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    share, shares, size, seconds, megabytes = map(int, arguments)
    runs = [("mail", name, driving.mail) for name in MAIL] + [("text", name, driving.text) for name in TEXTS]
    runs += [("query", name, driving.query) for name in QUERIES]
    over = 0
    for kind, name, made in runs[share::shares]:
        run = made(name, 1_000 if kind == "query" else size)
        spent = driving.cpu_s(run)
        if spent > seconds:
            spent = driving.cpu_s(run)
        if spent > seconds:
            over += 1
            sys.stdout.write(f"{kind} {name}: {spent:.1f} s\n")
    peak = _peak_mb()
    sys.stdout.write(f"{peak} MB at most\n")
    return 1 if over or peak > megabytes else 0


def _peak_mb() -> int:
    """The most memory that this program held. `getrusage` would count the process that started it, too."""
    status = Path("/proc/self/status").read_text()
    kilobytes = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert kilobytes is not None, status
    return int(kilobytes[1]) >> 10


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
