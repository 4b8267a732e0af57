"""Fuzzes parsing, display, words, searches, highlights and what a restore reads, with Hypothesis: `make fuzz`.

`python -m tests.hostile.fuzzing [SECONDS]`. What fails is shrunk and printed by Hypothesis, and its input is left in
`.hypothesis/finds`.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jobs.mime.display import display
from jobs.mime.parser import PARSER_FAILED, parse
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.raw_file import read_ending
from storage.fulltext import container
from storage.query.conditions import Contains
from storage.query.errors import InvalidQuery
from storage.query.highlighting import fragments
from storage.query.parser import parse as parse_query
from storage.query.printing import print_query
from storage.query.words import exact_words, words
from storage.recovery.backup_manifest import BackupUnusable, read_names
from storage.recovery.rollup_reader import rolled_of
from tests.hostile.archive_files import MANIFESTS, RAW_FILES, ROLLUPS, SPLITS, sound_rollup
from tests.hostile.constructs import MAIL
from tests.hostile.texts import QUERIES, TEXTS
from tests.unit.jobs.mime.strategies import MAIL as ANY_MAIL
from tests.unit.jobs.mime.strategies import check, damaged

_ROUND = settings(
    max_examples=50,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
_HOSTILE = st.builds(lambda name, size: MAIL[name](size), st.sampled_from(sorted(MAIL)), st.integers(1, 2_000))
_PIECES = st.sampled_from([*TEXTS.values(), *"ab é会\u0301\u05b0\n.@-"])
_TEXT = st.lists(_PIECES | st.text(max_size=5), max_size=200).map("".join)
_QUERY = st.builds(lambda name, size: QUERIES[name](size), st.sampled_from(sorted(QUERIES)), st.integers(0, 100))


_NAME = f"0000/00000001-{'0' * 32}"
_FILES = {"raw": RAW_FILES, "split": SPLITS, "manifest": MANIFESTS, "rollup": {**ROLLUPS, "sound": sound_rollup}}
_FILE = st.sampled_from([(kind, name) for kind, made in _FILES.items() for name in sorted(made)])
#: Where the inputs of what failed are left.
FINDS = Path(".hypothesis") / "finds"
_last: list[bytes] = [b""]


@_ROUND
@given(damaged(_HOSTILE | ANY_MAIL), st.booleans())
def mail(raw: bytes, remote_images: bool) -> None:
    """A damaged message is read, and shown as markup that loads nothing and runs nothing."""
    _last[0] = raw
    check(raw)
    assert PARSER_FAILED not in parse(raw).defects
    shown = display(raw, remote_images).lower()
    shown.encode("utf-8")
    assert "<script" not in shown and "<style" not in shown and "<iframe" not in shown


@_ROUND
@given(_TEXT)
def texts(text: str) -> None:
    """Words are words of themselves, and what is highlighted lies in the text."""
    _last[0] = text.encode("utf-8", "surrogatepass")
    found = words(text)
    assert all(word and " " not in word for word in found)
    exact_words(text)
    for shown in fragments("text", text, [Contains(("text",), tuple(found[:2]))] if found else []):
        assert all(0 <= start < end <= len(shown.fragment.text) for start, end in shown.fragment.hits)


@_ROUND
@given(_QUERY | st.text(max_size=100))
def queries(text: str) -> None:
    """A search is refused in a sentence, or it is read and reads the same when it is printed."""
    _last[0] = text.encode("utf-8", "surrogatepass")
    try:
        tree = parse_query(text)
    except InvalidQuery as refused:
        assert str(refused)
        return
    assert parse_query(print_query(tree)) == tree


@_ROUND
@given(_FILE, st.data())
def restored(which: tuple[str, str], data: st.DataObject) -> None:
    """A damaged file of an archive or a backup is read, or refused by its name."""
    kind, name = which
    content = data.draw(damaged(st.just(_FILES[kind][name](4_000))))
    _last[0] = content
    with tempfile.TemporaryDirectory() as folder:
        _READERS[kind](Path(folder), content)


def _raw(folder: Path, content: bytes) -> None:
    try:
        read_ending(_NAME, len(content), lambda offset, size: content[offset : offset + size])
    except FileDamaged as refused:
        assert _NAME in str(refused)


def _split(folder: Path, content: bytes) -> None:
    try:
        container.unpack(
            _NAME, len(content), lambda offset, size: content[offset : offset + size], folder, most_bytes=1 << 24
        )
    except (FileDamaged, container.SplitTooLarge) as refused:
        assert _NAME in str(refused)


def _manifest(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    try:
        read_names(folder)
    except BackupUnusable as refused:
        assert str(folder) in str(refused) and str(refused).isprintable()


def _rollup(folder: Path, content: bytes) -> None:
    blobs = LocalBlobs(folder)
    blobs.put(f"{_NAME}.rollup", [content])
    readable, refused = rolled_of(blobs, 0)
    assert len(readable) + len(refused) == 1


_READERS: dict[str, Callable[[Path, bytes], None]] = {
    "raw": _raw,
    "split": _split,
    "manifest": _manifest,
    "rollup": _rollup,
}


def fuzz(seconds: float, finds: Path = FINDS) -> int:
    """Fuzz for so long; the number of examples.

    Raises:
        AssertionError, Exception: what failed, with the example that Hypothesis found; its input is left in `finds`.
    """
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for one in (mail, texts, queries, restored):
            try:
                one()
            except Exception:
                finds.mkdir(parents=True, exist_ok=True)
                name = f"{one.__name__}-{hashlib.sha256(_last[0]).hexdigest()[:16]}"
                (finds / name).write_bytes(_last[0])  # Hypothesis ran the smallest example last
                raise
            rounds += 1
    return rounds * 50


def main(arguments: Sequence[str]) -> None:
    """Fuzz for the given number of seconds, 60 by default."""
    count = fuzz(float(arguments[0]) if arguments else 60)
    sys.stdout.write(f"{count} examples, none failed\n")


if __name__ == "__main__":
    main(sys.argv[1:])
