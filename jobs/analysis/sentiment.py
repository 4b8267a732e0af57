"""The sentiment of a message by the words in it. English only; other languages are marked as unsupported.

The valences of words are VADER's (C. J. Hutto and E. Gilbert, ICWSM 2014; MIT licence; read from its wheel), with its
rules for negation and emphasis. VADER scores sentences; over a whole message its sum saturates, so the constant that
keeps the score within -1 and 1 grows with the number of words: alpha = 15 per 50 words.
"""

from functools import cache
from importlib import resources
from math import sqrt

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail
from jobs.analysis.words import listed

_LANGUAGES = frozenset({"en"})
_MOST_WORDS = 400
_NEGATIONS = listed("negations")
_STRONGER = listed("stronger")
_WEAKER = listed("weaker")
_NEGATED, _EMPHASIS = -0.74, 0.293  # VADER's
_ALPHA, _ALPHA_WORDS = 15.0, 50
_THRESHOLD = 0.05  # VADER's: scores beyond it are positive or negative


class Sentiment:
    """A score from -1 to 1, and its label; `supported` is false for other languages than the word list's."""

    name, version = "sentiment", 1
    fields: tuple[Field, ...] = (
        ("supported", pa.bool_()),
        ("score", pa.float32()),
        ("label", pa.string()),  # negative, neutral, positive
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(supported, score, label)."""
        if mail.language not in _LANGUAGES:
            return False, None, None
        score = score_of(mail.words[:_MOST_WORDS])
        label = "positive" if score >= _THRESHOLD else "negative" if score <= -_THRESHOLD else "neutral"
        return True, score, label


def score_of(words: list[str]) -> float:
    """The valence of a list of words, -1 to 1."""
    known = _valences()
    total = 0.0
    for at in [at for at, word in enumerate(words) if word in known]:
        valence = known[words[at]]
        before = words[max(0, at - 3) : at]
        for other in before:
            if other in _STRONGER:
                valence += _EMPHASIS if valence > 0 else -_EMPHASIS
            elif other in _WEAKER:
                valence -= _EMPHASIS if valence > 0 else -_EMPHASIS
        if not _NEGATIONS.isdisjoint(before):
            valence *= _NEGATED
        total += valence
    alpha = _ALPHA * max(1.0, len(words) / _ALPHA_WORDS)
    return total / sqrt(total * total + alpha)


@cache
def _valences() -> dict[str, float]:
    text = (resources.files("vaderSentiment") / "vader_lexicon.txt").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: float(row[1]) for row in rows if len(row) > 1 and row[0].isalpha()}
