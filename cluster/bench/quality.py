"""`gbm bench analysis --quality`: accuracy of the analysers on labelled mail, with examples of mistakes.

Spam: the SpamAssassin corpus, split into training and test mail by time and by sender. A random split would put copies
of one campaign into both parts. Languages: sentences.py. Judgements: what the shipped analysers say of all
given mail (known_mail.py).
"""

import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.bench.known_mail import JudgedMail, judged
from cluster.bench.moods import MoodResult, measured
from cluster.bench.sentences import SENTENCE, SENTENCES, SHORT
from jobs.analysis import bodies
from jobs.analysis.category import SPAM
from jobs.analysis.detection import detect
from jobs.analysis.spam import features
from jobs.analysis.training import corpus, hinge
from jobs.analysis.training.corpus import Example
from storage.errors import BackupError

_MISTAKES = 5


class CorpusMissing(BackupError):
    """No labelled mail was given. Name the SpamAssassin corpus with --mail."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"--quality needs labelled mail ({self.reason}): give --mail with the SpamAssassin corpus, a .tar.gz of "
            ".eml files whose names contain spam or ham."
        )


@dataclass(frozen=True, slots=True)
class SpamResult:
    """One split, at one threshold of the score.

    precision, recall: of spam; ham_precision, ham_recall: of mail not flagged as spam.
    false_alarms, missed: subjects of some mistakes, worst first.
    """

    split: str
    threshold: float
    learnt: int
    measured: int
    precision: float
    recall: float
    ham_precision: float
    ham_recall: float
    ham_as_spam: int
    spam_as_ham: int
    false_alarms: tuple[str, ...]
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Messages of one split with a score in [low, low + 0.1), and the share of spam among them."""

    split: str
    low: float
    messages: int
    spam: float


@dataclass(frozen=True, slots=True)
class LanguageResult:
    """Correctly detected sentences of one length class, and the mistakes."""

    length: str
    right: int
    sentences: int
    mistakes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QualityResult:
    """Results of one run."""

    spam: tuple[SpamResult, ...]
    judgements: tuple[JudgedMail, ...]
    languages: tuple[LanguageResult, ...]
    reliability: tuple[Reliability, ...] = ()
    moods: tuple[MoodResult, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


def bench_quality(mail: Sequence[Path], moods: Path | None = None) -> QualityResult:
    """Train and measure.

    Args:
        mail: first the labelled corpus, then archives of honest mail.
        moods: the source distribution of vaderSentiment, with labelled sentences.

    Raises:
        CorpusMissing, SentencesMissing.
    """
    if not mail:
        raise CorpusMissing("name at least one file")
    try:
        corpora = {path.name.partition(".")[0]: corpus.read(path) for path in mail}
    except (OSError, EOFError, tarfile.TarError) as exc:
        raise CorpusMissing(str(exc)) from exc
    examples = next(iter(corpora.values()))
    if len({example.spam for example in examples}) < 2:
        raise CorpusMissing(f"{mail[0]} has not both")
    spam: list[SpamResult] = []
    reliability: list[Reliability] = []
    for name, (learnt, tested) in (("time", corpus.by_time(examples)), ("sender", corpus.by_sender(examples))):
        scored = _scored(learnt, tested)
        spam += _spam(name, len(learnt), scored)
        reliability += _reliability(name, scored)
    rated = measured(moods) if moods else []
    judgements = judged(corpora)
    return QualityResult(tuple(spam), tuple(judgements), tuple(_languages()), tuple(reliability), tuple(rated))


def _scored(learnt: Sequence[Example], tested: Sequence[Example]) -> list[tuple[float, Example]]:
    """The tested messages with their scores by a model of the learnt ones, lowest first."""
    model = hinge.train([(example.name, features(example.mail), example.spam) for example in learnt])
    return sorted(((model.score(example.mail), example) for example in tested), key=lambda pair: pair[0])


def _reliability(split: str, scored: Sequence[tuple[float, Example]]) -> list[Reliability]:
    bins: list[list[bool]] = [[] for _ in range(10)]
    for score, example in scored:
        bins[min(int(score * 10), 9)].append(example.spam)
    return [
        Reliability(split, number / 10, len(spam), round(sum(spam) / len(spam), 4))
        for number, spam in enumerate(bins)
        if spam
    ]


def _spam(split: str, learnt: int, scored: Sequence[tuple[float, Example]]) -> list[SpamResult]:
    results = []
    for threshold in (0.5, SPAM):
        flagged = [pair for pair in scored if pair[0] >= threshold]
        alarms = [example for _, example in reversed(flagged) if not example.spam]
        missed = [example for score, example in scored if example.spam and score < threshold]
        right = len(flagged) - len(alarms)
        ham = len(scored) - len(flagged) - len(missed)
        results.append(
            SpamResult(
                split,
                threshold,
                learnt,
                len(scored),
                round(right / max(len(flagged), 1), 4),
                round(right / max(right + len(missed), 1), 4),
                round(ham / max(ham + len(missed), 1), 4),
                round(ham / max(ham + len(alarms), 1), 4),
                len(alarms),
                len(missed),
                tuple(example.mail.message.subject[:70] for example in alarms[:_MISTAKES]),
                tuple(example.mail.message.subject[:70] for example in missed[:_MISTAKES]),
            )
        )
    return results


def _languages() -> list[LanguageResult]:
    kinds = (("a few words", 0, SHORT), ("a sentence", SHORT, SHORT + SENTENCE), ("several", SHORT + SENTENCE, None))
    results = []
    for name, start, end in kinds:
        sentences = [(code, text) for code, texts in SENTENCES.items() for text in texts[start:end]]
        guesses = [(code, detect(bodies.words(text))[0]) for code, text in sentences]
        wrong = Counter(f"{code} as {guess or 'nothing'}" for code, guess in guesses if guess != code)
        results.append(
            LanguageResult(
                name,
                len(guesses) - wrong.total(),
                len(guesses),
                tuple(f"{mistake} {n}" for mistake, n in wrong.most_common(8)),
            )
        )
    return results
