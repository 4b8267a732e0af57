"""The sentiment analyser on sentences that people labelled, for `gbm bench analysis --quality --moods`.

The sentences are in the source distribution of vaderSentiment (PyPI, MIT licence): C. J. Hutto and E. Gilbert, ICWSM
2014. Twenty people rated each sentence of four domains from -4 to 4.
"""

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import correlation
from typing import cast

from jobs.analysis.mail import Mail
from jobs.analysis.sentiment import Sentiment
from jobs.mime.parser import parse
from storage.errors import BackupError

_INNER = "hutto_ICWSM_2014.tar.gz"
_END = "_GroundTruth.txt"
_HIGHEST = 4.0
#: The authors' limit of a neutral rating, as a share of the highest.
_NEUTRAL = 0.05
_LABELS = ("negative", "neutral", "positive")


class SentencesMissing(BackupError):
    """The labelled sentences cannot be read. Name the source distribution of vaderSentiment."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} has no labelled sentences ({self.reason}): give the .tar.gz of vaderSentiment's sources."


@dataclass(frozen=True, slots=True)
class MoodResult:
    """One domain. correlation: of score and mean rating; f1: mean over the three labels; unsupported: not English."""

    domain: str
    sentences: int
    correlation: float
    f1: float
    unsupported: float


def measured(path: Path) -> list[MoodResult]:
    """The results per domain.

    Raises:
        SentencesMissing.
    """
    try:
        domains = dict(_domains(path))
    except (OSError, EOFError, tarfile.TarError, ValueError) as exc:
        raise SentencesMissing(str(path), str(exc)) from exc
    if not domains:
        raise SentencesMissing(str(path), f"there is no {_INNER}")
    return [_result(name, rated) for name, rated in sorted(domains.items())]


def _domains(path: Path) -> Iterator[tuple[str, list[tuple[float, str]]]]:
    """(domain, [(rating, sentence)])."""
    with tarfile.open(path) as outer:
        for member in outer:
            if not member.isfile() or not member.name.endswith(_INNER):
                continue
            file = outer.extractfile(member)
            assert file is not None
            with tarfile.open(fileobj=io.BytesIO(file.read())) as inner:
                for entry in inner:
                    content = inner.extractfile(entry) if entry.isfile() and entry.name.endswith(_END) else None
                    if content is not None:
                        rows = [line.split("\t") for line in content.read().decode("utf-8", "replace").splitlines()]
                        name = Path(entry.name).name.removesuffix(_END)
                        yield name, [(float(row[1]), row[2]) for row in rows if len(row) == 3]


def _result(domain: str, rated: Sequence[tuple[float, str]]) -> MoodResult:
    analyser = Sentiment()
    mails = (Mail(parse(f"\n{text}".encode())) for _, text in rated)
    answers = [analyser.analyse(mail) or (False, None, None, None) for mail in mails]
    scores = [cast("float | None", answer[1]) or 0.0 for answer in answers]
    labels = [str(answer[2] or "neutral") for answer in answers]
    ratings = [rating / _HIGHEST for rating, _ in rated]
    truths = [_LABELS[1 + (rating > _NEUTRAL) - (rating < -_NEUTRAL)] for rating in ratings]
    return MoodResult(
        domain,
        len(rated),
        round(correlation(scores, ratings), 4),
        round(sum(_f1(label, labels, truths) for label in _LABELS) / len(_LABELS), 4),
        round(sum(not answer[0] for answer in answers) / len(answers), 4),
    )


def _f1(label: str, found: Sequence[str], truths: Sequence[str]) -> float:
    right = sum(one == other == label for one, other in zip(found, truths, strict=True))
    return 2 * right / max(found.count(label) + truths.count(label), 1)
