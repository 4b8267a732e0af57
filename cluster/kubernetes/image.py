"""What an image leaves out: distributions that are installed, and that the program does not need.

    python -m cluster.kubernetes.image > unneeded && pip uninstall --yes --requirement unneeded

requirements.lock names the tools of development too, so that one file fixes every version and hash. k8s/Containerfile
removes them again.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions

from packaging.requirements import Requirement

PROGRAM = "gmail-backup-manager"


def unneeded(installed: Iterable[Distribution], program: str = PROGRAM) -> list[str]:
    """Names of distributions that the program needs neither itself nor by what it needs; sorted.

    Raises:
        KeyError: the program is not installed.
    """
    known = {_canonical(each.metadata["Name"]): each for each in installed}
    return sorted(set(known) - _closure(known, _canonical(program)))


def _closure(known: Mapping[str, Distribution], program: str) -> set[str]:
    known[program]  # a typing error must not remove everything
    found: set[tuple[str, str]] = set()
    waiting = [(program, "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in found or name not in known:
            continue
        found.add((name, extra))
        for text in known[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                target = _canonical(requirement.name)
                waiting += [(target, each) for each in ("", *requirement.extras)]
    return {name for name, _ in found}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.stdout.write("\n".join(unneeded(distributions())) + "\n")
