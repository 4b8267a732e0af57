"""The result of one check, and the loop that runs checks so that a failed one does not stop the others."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from storage.errors import BackupError

#: Longest text of an unexpected exception that is shown.
_TEXT = 300


class Level(StrEnum):
    """OK; works now but needs attention; does not work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. remedy: what to do; "" if nothing, or if `detail` ends with it."""

    check: str
    level: Level
    detail: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """The finding as `gbm doctor --json` prints it."""
        return {"check": self.check, "level": self.level.value, "detail": self.detail, "remedy": self.remedy or None}


#: A check by its name. It yields a finding for each thing that it looks at.
Check = tuple[str, Callable[[], Iterable[Finding]]]


def run(checks: Iterable[Check]) -> Iterator[Finding]:
    """The findings of every check. A check that raises is an error of its own name; the next one still runs."""
    for name, check in checks:
        try:
            yield from check()
        except BackupError as exc:
            yield Finding(name, Level.ERROR, str(exc))
        except Exception as exc:  # noqa: BLE001 - a defect of one check must not hide the others' findings
            text = f"{type(exc).__name__}: {exc}".replace("\n", " ")[:_TEXT]
            yield Finding(name, Level.ERROR, f"The check failed: {text}", "report this defect")


def worst(findings: Iterable[Finding]) -> Level:
    """The gravest level."""
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.ERROR, Level.WARNING) if level in levels), Level.OK)
