"""Extracts the two most informative sentences of a message."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail

_MOST_CHARS = 3000
_MOST_SENTENCES = 16
_LONGEST = 200
_FEWEST_LETTERS = 12
#: End of a sentence: a mark and a space, or a line followed by a blank or an indented line.
_ENDS = re.compile(r"[.!?。？！\n]\s+")
_LETTERS = re.compile(r"[^\W\d_]+| ")
_GREETING = re.compile(
    r"^(?:hi|hello|dear|hey|hallo|liebe[rs]?|bonjour|cher|hola|ciao|thanks|regards|best|cheers)\b", re.I
)
#: Bonus of the first sentences.
_FIRST = 1.5


class Summary:
    """Two sentences in their order in the message, at most 400 characters."""

    name, version = "summary", 1
    fields: tuple[Field, ...] = (("text", pa.string()),)

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(text); None for an empty body."""
        sentences = [
            sentence
            for part in _parts(mail.body[:_MOST_CHARS])
            if len(sentence := " ".join(part.split())) >= _FEWEST_LETTERS and _tells(sentence)
        ]
        if not sentences:
            return None
        weights = mail.keywords
        scored = [
            (_score(sentence, weights) * (_FIRST if at == 0 else 1.0), -at) for at, sentence in enumerate(sentences)
        ]
        best = sorted(-at for _, at in sorted(scored, reverse=True)[:2])
        return (" ".join(_cut(sentences[at]) for at in best),)


def _parts(text: str) -> Iterator[str]:
    start = 0
    for end in islice(_ENDS.finditer(text), _MOST_SENTENCES):
        yield text[start : end.end()]
        start = end.end()
    yield text[start:]


def _tells(sentence: str) -> bool:
    start = sentence[:40]
    return len(_LETTERS.sub("", start)) * 2 < len(start) and not (len(sentence) < 40 and _GREETING.match(sentence))


def _score(sentence: str, weights: Sequence[tuple[str, float]]) -> float:
    start = sentence[:_LONGEST].lower()
    return sum([weight for word, weight in weights if word in start]) / (start.count(" ") + 6)


def _cut(sentence: str) -> str:
    return sentence if len(sentence) < _LONGEST else sentence[: _LONGEST - 2].rsplit(" ", 1)[0] + "…"
