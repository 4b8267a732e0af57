"""Runs a share of the constructs at one size, and says which took too long or whether too much memory was taken.

`python -m tests.hostile.large SHARE SHARES SIZE_BYTES SECONDS MEGABYTES`; the exit code is 1 when one is over.
"""

import resource
import sys
from collections.abc import Sequence

from tests.hostile import driving
from tests.hostile.constructs import MAIL, QUERIES, TEXTS


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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(f"{peak} MB at most\n")
    return 1 if over or peak > megabytes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
