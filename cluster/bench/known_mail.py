"""What the shipped analysers say of mail whose kind is known, for `gbm bench analysis --quality`.

The spam score is also measured with a model that did not learn the corpus, since the shipped model learnt several.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.analysis.analyser import Analyser
from jobs.analysis.authenticity import Authenticity
from jobs.analysis.category import SPAM, Category
from jobs.analysis.mail import Mail
from jobs.analysis.priority import Priority
from jobs.analysis.sentiment import Sentiment
from jobs.analysis.spam import LIKELY, features
from jobs.analysis.training import hinge, modern
from jobs.analysis.training.corpus import Example

#: Messages of spam from which a model is trained.
_LEAST_SPAM = 50


@dataclass(frozen=True, slots=True)
class JudgedMail:
    """Shares, 0 to 1, of the messages of one kind.

    likely_spam: score of 0.5 and more; spam_like: a score that makes the category. _unlearnt: the same of a model of
    the other corpora and synthetic mail; None: the others have too little spam.
    known: category work or personal. undecided: category null.
    """

    kind: str
    messages: int
    warned: float
    likely_spam: float
    likely_spam_unlearnt: float | None
    spam_like: float
    spam_like_unlearnt: float | None
    known: float
    undecided: float
    high: float
    positive: float
    negative: float


def judged(corpora: Mapping[str, Sequence[Example]]) -> list[JudgedMail]:
    """The shares of honest mail and of spam, per corpus."""
    results = []
    for name, examples in corpora.items():
        others = [each for other, more in corpora.items() if other != name for each in more]
        model = None
        if sum(each.spam for each in others) >= _LEAST_SPAM:
            others += modern.examples()
            model = hinge.train([(each.name, features(each.mail), each.spam) for each in others])
        for label, is_spam in (("honest", False), ("spam", True)):
            mails = [each.mail for each in examples if each.spam is is_spam]
            if mails:
                unlearnt = None if model is None else [model.score(mail) for mail in mails]
                results.append(_judged(f"{name}, {label}", mails, unlearnt))
    return results


def _judged(kind: str, mails: Sequence[Mail], unlearnt: Sequence[float] | None) -> JudgedMail:
    categories, moods = _results(Category(), mails), [row["label"] for row in _results(Sentiment(), mails)]
    names = [row["name"] for row in categories]
    return JudgedMail(
        kind,
        len(mails),
        warned=_share([bool(row["warnings"]) for row in _results(Authenticity(), mails)]),
        likely_spam=_share([row["spam_score"] >= LIKELY for row in categories]),
        likely_spam_unlearnt=None if unlearnt is None else _share([score >= LIKELY for score in unlearnt]),
        spam_like=_share([row["spam_score"] >= SPAM for row in categories]),
        spam_like_unlearnt=None if unlearnt is None else _share([score >= SPAM for score in unlearnt]),
        known=_share([name in ("work", "personal") for name in names]),
        undecided=_share([name is None for name in names]),
        high=_share([row["level"] == "high" for row in _results(Priority(), mails)]),
        positive=_share([mood == "positive" for mood in moods]),
        negative=_share([mood == "negative" for mood in moods]),
    )


def _results(analyser: Analyser, mails: Sequence[Mail]) -> list[dict[str, Any]]:
    names = [name for name, _ in analyser.fields]
    answers = [analyser.analyse(mail) for mail in mails]
    return [dict.fromkeys(names) if each is None else dict(zip(names, each, strict=True)) for each in answers]


def _share(flags: Sequence[bool]) -> float:
    return round(sum(flags) / max(len(flags), 1), 4)
