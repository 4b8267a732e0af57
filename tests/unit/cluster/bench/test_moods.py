"""Sentences with ratings are read from an archive in an archive, and agreement is counted right."""

import io
import tarfile
from pathlib import Path

import pytest

from cluster.bench.moods import SentencesMissing, measured

ROWS = (
    b"1\t3.1\tI love this wonderful phone, it is great and the battery is amazing.\r\n"
    b"2\t-3.0\tThis is terrible, I hate the awful screen and the horrible sound.\r\n"
    b"3\t0.0\tThe phone has two buttons on the left side and one below the screen.\r\n"
)


def packed(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def test_scores_that_follow_the_ratings_correlate(tmp_path: Path) -> None:
    path = tmp_path / "sources.tar.gz"
    path.write_bytes(packed("v/more/hutto_ICWSM_2014.tar.gz", packed("h/phones_GroundTruth.txt", ROWS)))
    [result] = measured(path)
    assert (result.domain, result.sentences, result.f1, result.unsupported) == ("phones", 3, 1.0, 0.0)
    assert result.correlation > 0.95


@pytest.mark.parametrize(
    "content",
    [None, b"no archive", packed("a", b""), packed("hutto_ICWSM_2014.tar.gz", b"x")],
    ids=["missing", "no archive", "another file", "a damaged inner archive"],  # a packed file has the time in its bytes
)
def test_other_archives_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "sources.tar.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SentencesMissing, match="no labelled sentences"):
        measured(path)
