"""What is told of analysers' quality is counted right, and what it cannot be counted of is refused."""

from pathlib import Path

import pytest

from cluster.bench.quality import CorpusMissing, bench_quality
from cluster.bench.sentences import SENTENCES
from tests.unit.jobs.analysis.test_training import archive

__all__ = ["archive"]


def test_mistakes_and_successes_add_up(archive: Path) -> None:
    found = bench_quality([archive])
    assert [(each.split, each.threshold) for each in found.spam] == [
        *(("time", 0.5), ("time", 0.85), ("sender", 0.5), ("sender", 0.85)),
    ]
    for each in found.spam:
        assert each.learnt > each.measured > 0
        assert 0 <= each.precision <= 1
        assert (each.ham_as_spam == 0) == (each.ham_recall == 1)
        assert (each.spam_as_ham == 0) == (each.recall == 1)
    assert found.spam[0].ham_recall == 1
    for split in ("time", "sender"):
        parts = [each for each in found.reliability if each.split == split]
        assert sum(each.messages for each in parts) == next(e.measured for e in found.spam if e.split == split)
        assert parts[-1].spam > parts[0].spam
    assert [(each.kind, each.messages, each.likely_spam_unlearnt) for each in found.judgements] == [
        ("corpus, honest", 60, None),
        ("corpus, spam", 60, None),
    ]
    assert all(each.high == 0 for each in found.judgements)
    assert sum(each.sentences for each in found.languages) == 8 * len(SENTENCES)
    assert found.languages[1].right > 0.9 * found.languages[1].sentences


@pytest.mark.parametrize("content", [None, b"", b"no archive at all"])
def test_an_invalid_corpus_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "corpus.tar.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorpusMissing, match="--quality needs labelled mail"):
        bench_quality([path])
    with pytest.raises(CorpusMissing, match="name at least one file"):
        bench_quality([])
