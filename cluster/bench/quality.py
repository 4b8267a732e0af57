"""`gbm bench analysis --quality`: accuracy of the analysers on labelled mail, with examples of mistakes.

Spam: the SpamAssassin corpus, split into training and test mail by time and by sender. A random split would put copies
of one campaign into both parts. Languages: sentences.py. Known mail: results of the shipped analysers for
all given mail (known_mail.py).
"""

import tarfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.bench.known_mail import JudgedMail, judged
from cluster.bench.sentences import SENTENCE, SENTENCES, SHORT
from jobs.analysis import bodies
from jobs.analysis.category import SPAM
from jobs.analysis.detection import detect
from jobs.analysis.spam import features
from jobs.analysis.training import corpus, perceptron
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
    judged_mail: tuple[JudgedMail, ...]
    languages: tuple[LanguageResult, ...]

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


def bench_quality(mail: Sequence[Path]) -> QualityResult:
    """Train and measure.

    Args:
        mail: first the labelled corpus, then archives of honest mail.

    Raises:
        CorpusMissing.
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
    splits = (("time", corpus.by_time(examples)), ("sender", corpus.by_sender(examples)))
    spam = [result for name, (learnt, measured) in splits for result in _spam(name, learnt, measured)]
    return QualityResult(tuple(spam), tuple(judged(corpora)), tuple(_languages()))


def _spam(split: str, learnt: Sequence[Example], measured: Sequence[Example]) -> list[SpamResult]:
    model = perceptron.train([(example.name, features(example.mail), example.spam) for example in learnt])
    scored = sorted(((model.score(features(example.mail)), example) for example in measured), key=lambda pair: pair[0])
    results = []
    for threshold in (0.5, SPAM):
        flagged = [pair for pair in scored if pair[0] >= threshold]
        alarms = [example for _, example in reversed(flagged) if not example.spam]
        missed = [example for score, example in scored if example.spam and score < threshold]
        right = len(flagged) - len(alarms)
        ham = len(measured) - len(flagged) - len(missed)
        results.append(
            SpamResult(
                split,
                threshold,
                len(learnt),
                len(measured),
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
