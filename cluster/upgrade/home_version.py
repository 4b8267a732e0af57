"""The version of a home: which program last upgraded it, and the number of each thing in it.

    GBM_HOME/version.json
    {"program": "0.2.0", "archive": 1, "settings": 1, "databases": {"control": "0009", "shard": "0012"},
     "under_way": null}

A home without the file is of the first version. The file is replaced whole, and on disk before a migration begins, so a
program that is older than a half upgraded home refuses that home, too. Nothing here touches anything else.
"""

import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import orjson

from storage.errors import BackupError
from storage.version import VERSION

FILE = "version.json"
FIRST_PROGRAM = "0.1.0"
#: Layout of the archive's folder. Each file carries the number of its own format besides.
ARCHIVE = 1
#: Names and meaning of the settings.
SETTINGS = 1


class HomeNewer(BackupError):
    """A newer program has upgraded this home. Use that one, or let it undo the upgrade."""

    def __init__(self, home: str, program: str, what: str, here: str, known: str) -> None:
        super().__init__(home, program, what, here, known)
        self.home, self.program, self.what, self.here, self.known = home, program, what, here, known

    def __str__(self) -> str:
        return (
            f"The home {self.home} was upgraded by gbm {self.program}: its {self.what} is of version {self.here}, and "
            f"gbm {VERSION} reads up to {self.known}. Nothing was changed: use gbm {self.program} or newer, "
            f"or go back with its `gbm upgrade --undo`."
        )


class HomeVersionDamaged(BackupError):
    """The file with a home's version cannot be read. Restore it from a copy."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"The file {self.path} is damaged ({self.reason}): restore it from a copy."


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An upgrade, or its undoing, that has begun and not ended. copy: its folder, if there is one."""

    kind: Literal["upgrade", "undo"]
    copy: str | None
    before: dict[str, str]


@dataclass(frozen=True, slots=True)
class HomeVersion:
    """databases: the newest revision by schema ("control", "shard") of the embedded server; empty: it has none."""

    program: str
    archive: int = ARCHIVE
    settings: int = SETTINGS
    databases: dict[str, str] = field(default_factory=dict)
    under_way: UnderWay | None = None

    @classmethod
    def read(cls, home: Path) -> Self:
        """The version that a home says; of the first one where it says nothing.

        Raises:
            HomeVersionDamaged.
        """
        path = home / FILE
        try:
            return cls.of_document(orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            return cls(program=FIRST_PROGRAM)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise HomeVersionDamaged(str(path), f"{type(exc).__name__}: {exc}") from exc

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Self:
        """From its JSON document. What a newer program adds is passed over."""
        under_way = document.get("under_way")
        return cls(
            program=str(document["program"]),
            archive=int(document["archive"]),
            settings=int(document["settings"]),
            databases={str(key): str(value) for key, value in document["databases"].items()},
            under_way=UnderWay(under_way["kind"], under_way["copy"], under_way["before"]) if under_way else None,
        )

    def as_document(self) -> dict[str, Any]:
        """Its JSON document."""
        return asdict(self)

    @classmethod
    def of_this_program(cls, databases: dict[str, str]) -> Self:
        """The version that this program gives a home."""
        return cls(program=VERSION, databases=databases)

    def write(self, home: Path) -> None:
        """Put the version on disk, whole."""
        path = home / FILE
        fresh = path.with_name(f".{FILE}.{os.getpid()}")
        with fresh.open("wb") as file:
            file.write(orjson.dumps(self.as_document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def beginning(self, kind: Literal["upgrade", "undo"], copy: str | None, before: dict[str, str]) -> Self:
        """The same with something under way."""
        return replace(self, under_way=UnderWay(kind, copy, before))


def refuse_newer(home: Path, known: dict[str, str]) -> HomeVersion:
    """The version of a home that this program can use. Reads one file, and touches nothing.

    Args:
        known: the newest revision of each schema that this program has.

    Raises:
        HomeNewer, HomeVersionDamaged.
    """
    found = HomeVersion.read(home)
    for what, here, ours in (("archive", found.archive, ARCHIVE), ("settings", found.settings, SETTINGS)):
        if here > ours:
            raise HomeNewer(str(home), found.program, what, str(here), str(ours))
    for schema, here_revision in found.databases.items():
        if here_revision > known.get(schema, ""):
            newest = known.get(schema, "none")
            raise HomeNewer(str(home), found.program, f"{schema} database", here_revision, newest)
    return found
