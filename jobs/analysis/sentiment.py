"""The sentiment of a message by its sentences. English only; other languages are marked as unsupported.

The valences of words are VADER's (C. J. Hutto and E. Gilbert, ICWSM 2014; MIT licence; read from its wheel), with its
rules for negation and emphasis. Neutral is the default: greetings, thanks, closings, what follows a closing, and
disclaimers are no evidence, nor are the words that business mail uses without a mood (`no_mood` in data/words.toml). A
message is positive or negative when its sentences with a mood outweigh those without.
"""

from collections.abc import Collection, Sequence
from functools import cache
from importlib import resources
from math import sqrt

import pyarrow as pa

from jobs.analysis import bodies
from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail
from jobs.analysis.words import listed

_LANGUAGES = frozenset({"en"})
_NEGATIONS = listed("negations")
_STRONGER = listed("stronger")
_WEAKER = listed("weaker")
_NO_MOOD = listed("no_mood")
_NEGATED, _EMPHASIS = -0.74, 0.293  # VADER's
_ALPHA = 15.0  # VADER's
#: A sentence has a mood from this score on: one strong word ("great": 0.62), or two weak ones.
_SENTENCE = 0.4
#: A sentence without a mood weighs a quarter of one that has one.
_NEUTRAL_WEIGHT = 0.25
#: Scores beyond it are positive or negative.
_THRESHOLD = 0.3
_MOST_EVIDENCE, _EVIDENCE_CHARS = 3, 200


class Sentiment:
    """A score from -1 to 1, its label, and the sentences that decided; `supported` is false for other languages."""

    name, version = "sentiment", 3  # 2: by sentences, neutral without evidence; 3: closings in seven languages
    fields: tuple[Field, ...] = (
        ("supported", pa.bool_()),
        ("score", pa.float32()),
        ("label", pa.string()),  # negative, neutral, positive
        ("sentences", pa.list_(pa.string())),  # that decided, strongest first, at most three; empty: neutral
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(supported, score, label, sentences)."""
        if mail.language not in _LANGUAGES:
            return False, None, None, None
        present = _words_with_mood() & mail.distinct_words
        if not present:
            return True, 0.0, "neutral", []
        score, moods = score_of(mail.sentences, present)
        label = "positive" if score >= _THRESHOLD else "negative" if score <= -_THRESHOLD else "neutral"
        sign = (score > 0) - (score < 0)
        deciding = sorted((mood for mood in moods if mood[0] * sign > 0), key=lambda mood: -abs(mood[0]))
        shown = [" ".join(text.split())[:_EVIDENCE_CHARS] for _, text in deciding[:_MOST_EVIDENCE]]
        return True, score, label, [] if label == "neutral" else shown


def score_of(sentences: Sequence[str], present: Collection[str]) -> tuple[float, list[tuple[float, str]]]:
    """The score of sentences, -1 to 1, and those with a mood with their scores, in order.

    Args:
        present: the words with a valence that occur in the sentences.
    """
    moods: list[tuple[float, str]] = []
    for sentence in sentences:
        lower = sentence.lower()
        for word in present:
            if word in lower:
                score = _of_words(bodies.words(lower))
                if abs(score) >= _SENTENCE:
                    moods.append((score, sentence))
                break
    if not moods:
        return 0.0, []
    neutral = len(sentences) - len(moods)
    return sum(score for score, _ in moods) / (len(moods) + _NEUTRAL_WEIGHT * neutral), moods


def _of_words(words: list[str]) -> float:
    """The valence of a sentence, -1 to 1."""
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
    return total / sqrt(total * total + _ALPHA)


@cache
def _words_with_mood() -> frozenset[str]:
    return frozenset(_valences())


@cache
def _valences() -> dict[str, float]:
    text = (resources.files("vaderSentiment") / "vader_lexicon.txt").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: float(row[1]) for row in rows if len(row) > 1 and row[0].isalpha() and row[0] not in _NO_MOOD}
