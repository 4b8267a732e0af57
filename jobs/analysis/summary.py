"""Extracts the two most informative sentences of a message."""

from collections.abc import Sequence

import pyarrow as pa

from jobs.analysis import prose
from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail

_MOST_SENTENCES = 16
_LONGEST = 200
_FEWEST_LETTERS = 12
#: Bonus of the first sentences.
_FIRST = 1.5
#: Leading characters that are looked at to tell a sentence from a table or a rule.
_START = 40


class Summary:
    """Two sentences in their order in the message, at most 400 characters."""

    name, version = "summary", 2  # 2: no greetings, closings, footers and notices about the message itself
    fields: tuple[Field, ...] = (("text", pa.string()),)

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(text); None for a body without a sentence."""
        candidates = mail.sentences[:_MOST_SENTENCES]
        weights = mail.keywords
        scored = [(_score(sentence, weights) * (1.0 if at else _FIRST), -at) for at, sentence in enumerate(candidates)]
        best: list[tuple[int, str]] = []
        for _, position in sorted(scored, reverse=True):
            sentence = " ".join(candidates[-position].split())
            if len(sentence) >= _FEWEST_LETTERS and _tells(sentence):
                best.append((-position, sentence))
                if len(best) == 2:
                    break
        return (" ".join(_cut(sentence) for _, sentence in sorted(best)),) if best else None


def _tells(sentence: str) -> bool:
    """Whether a sentence is made of words, and says something else than how to read the message."""
    start = sentence[:_START]
    letters = sum(map(str.isalpha, start)) + start.count(" ")
    return letters * 2 > len(start) and "http" not in start and not prose.is_about_the_mail(sentence.lower())


def _score(sentence: str, weights: Sequence[tuple[str, float]]) -> float:
    start = sentence[:_LONGEST].lower()
    return sum([weight for word, weight in weights if word in start]) / (start.count(" ") + 6)


def _cut(sentence: str) -> str:
    return sentence if len(sentence) < _LONGEST else sentence[: _LONGEST - 2].rsplit(" ", 1)[0] + "…"
