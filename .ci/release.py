"""`make release`: the wheel and the source archive of the commit that is checked out.

    python .ci/release.py FOLDER

They are built from `git archive`, so of nothing but what is committed, and a tree with changes is refused. The same
commit gives the same bytes: times are the commit's (SOURCE_DATE_EPOCH), owners and modes are fixed, entries are sorted.
Built by the setuptools of this environment; nothing is fetched.
"""

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BUILD = "import setuptools.build_meta as b, sys; print(b.build_{0}(sys.argv[1]), file=sys.stderr)"


def main(folder: Path) -> int:
    """Build into a folder; returns the exit code."""
    if changed := _git("status", "--porcelain").strip():
        sys.stderr.write(f"The tree has changes that are not committed; commit or remove them:\n{changed}\n")
        return 1
    epoch = _git("log", "-1", "--format=%ct").strip()
    folder.mkdir(parents=True, exist_ok=True)
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="gbm-release-") as name:
        tree, built = Path(name) / "tree", Path(name) / "built"
        tree.mkdir()
        built.mkdir()
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout  # noqa: S607
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(tree, filter="data")
        environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "0"}
        for kind in ("sdist", "wheel"):
            command = [sys.executable, "-c", _BUILD.format(kind), str(built)]
            done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
            if done.returncode != 0:
                sys.stderr.write(done.stdout + done.stderr)
                return 1
        for path in sorted(built.iterdir()):
            content = _same_each_time(path, int(epoch)) if path.name.endswith(".tar.gz") else path.read_bytes()
            (folder / path.name).write_bytes(content)
            sys.stdout.write(f"{folder / path.name}\n")
    return 0


def _same_each_time(path: Path, epoch: int) -> bytes:
    """A .tar.gz with its entries sorted, of one time and no owner."""
    packed = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for entry in sorted(old.getmembers(), key=lambda entry: entry.name):
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = epoch, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            entry.pax_headers = {}
            new.addfile(entry, old.extractfile(entry) if entry.isreg() else None)
    return gzip.compress(packed.getvalue(), mtime=epoch)


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
