"""The sentiment of a message by its sentences. English only; other languages are marked as unsupported.

The valences of words are VADER's (C. J. Hutto and E. Gilbert, ICWSM 2014; MIT licence; read from its wheel), with its
rules for negation and emphasis. Neutral is the default: greetings, thanks, closings, what follows a closing, and
disclaimers are no evidence, nor are the words that business mail uses without a mood (`no_mood` in data/words.toml). A
message is positive or negative when its sentences with a mood outweigh those without.
"""

import re
from functools import cache
from importlib import resources
from math import sqrt

import pyarrow as pa

from jobs.analysis import bodies
from jobs.analysis.analyser import Field
from jobs.analysis.mail import FIRST_WORDS, Mail
from jobs.analysis.words import listed

_LANGUAGES = frozenset({"en"})
_MOST_CHARS = 2_000
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
_CLOSING = re.compile(
    r"\n[ \t]*(?:many |best |kind |warm |with |yours )?(?:thanks|thank you|thx|regards|wishes|sincerely|cheers|love|"
    r"best|truly|respectfully|cordially)(?: again| so much| very much| in advance| regards| wishes| you)?"
    r"[ \t]*[,.!-]{0,3}[ \t]*\n",
    re.I,
)
_DISCLAIMERS = ("intended recipient", "confidential", "unsubscribe", "do you yahoo")
_GREETING = re.compile(r"\s*(?:dear|hi|hello|hey|good (?:morning|afternoon|evening))\b[^\n.!?]{0,60}[,:!\n]", re.I)


class Sentiment:
    """A score from -1 to 1, its label, and the sentences that decided; `supported` is false for other languages."""

    name, version = "sentiment", 2  # 2: by sentences, neutral without evidence
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
        if len(mail.words) <= FIRST_WORDS and _valences().keys().isdisjoint(mail.first_words):
            return True, 0.0, "neutral", []
        score, moods = score_of(own_words(mail.body[:_MOST_CHARS]))
        label = "positive" if score >= _THRESHOLD else "negative" if score <= -_THRESHOLD else "neutral"
        sign = (score > 0) - (score < 0)
        deciding = sorted((mood for mood in moods if mood[0] * sign > 0), key=lambda mood: -abs(mood[0]))
        shown = [" ".join(text.split())[:_EVIDENCE_CHARS] for _, text in deciding[:_MOST_EVIDENCE]]
        return True, score, label, [] if label == "neutral" else shown


def own_words(body: str) -> str:
    """A body without greeting, closing, what follows the closing, and disclaimers."""
    text = f"\n{body}\n"
    lower = text.lower()
    for phrase in _DISCLAIMERS:
        if (at := lower.find(phrase)) >= 0:
            lower = lower[: lower.rfind("\n", 0, at) + 1]
    text = text[: len(lower)]
    if match := _CLOSING.search(text):
        text = text[: match.start()]
    if match := _GREETING.match(text):
        text = text[match.end() :]
    return text


def score_of(text: str) -> tuple[float, list[tuple[float, str]]]:
    """The score of a text, -1 to 1, and its sentences with a mood and their scores, in order."""
    moods: list[tuple[float, str]] = []
    neutral = 0
    known = _valences().keys()
    # Literals are replaced: a pattern that splits sentences takes three times as long.
    plain = text.replace("\n\n", ". ").replace("\n", " ").replace("! ", ". ").replace("? ", ". ")
    for sentence in plain.split(". "):
        words = bodies.words(sentence)
        if not words:
            continue
        score = 0.0 if known.isdisjoint(words) else _of_words(words)
        if abs(score) >= _SENTENCE:
            moods.append((score, sentence))
        else:
            neutral += 1
    if not moods:
        return 0.0, []
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
def _valences() -> dict[str, float]:
    text = (resources.files("vaderSentiment") / "vader_lexicon.txt").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: float(row[1]) for row in rows if len(row) > 1 and row[0].isalpha() and row[0] not in _NO_MOOD}
