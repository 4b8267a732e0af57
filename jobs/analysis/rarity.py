"""The weight of a word: the rarer in other mail, the higher.

The table (data/background.tsv) is made by training/: words and the logarithm of their rarity in messages. Grammatical
words of the listed languages have no weight.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import resources

from jobs.analysis.words import listed

#: Weight of a word that is not in the table: rarer than all words in it.
UNKNOWN = 6.0
_MOST = 8
_LONGEST = 30
_MOST_WORDS = 300
_SUBJECT = 2
#: Words with a smaller weight are no keywords.
_COMMON = 1.5
#: Grammatical words, which do not characterize a message.
_GRAMMAR = listed("grammar")


def weighed(words: Sequence[str], subject: str) -> list[tuple[str, float]]:
    """Words with frequency times rarity, heaviest first, at most eight.

    Args:
        words: in lower case, in order.
        subject: each of its words counts as two more occurrences.
    """
    common = _common()
    counts = Counter([word for word in words[:_MOST_WORDS] if word not in common])
    for word in subject.lower().split()[:30]:
        if word in counts:
            counts[word] += _SUBJECT
    get = _weights().get
    scored = {word: count * get(word, UNKNOWN) for word, count in counts.items()}
    best = sorted(scored, key=scored.__getitem__, reverse=True)[: 3 * _MOST]  # stable: of equal ones the first
    return [(word, scored[word]) for word in best if 2 < len(word) <= _LONGEST and word.isalpha()][:_MOST]


@cache
def _common() -> frozenset[str]:
    """Words that occur in so much mail that they do not characterize a message."""
    return frozenset(word for word, weight in _weights().items() if weight < _COMMON)


@cache
def _weights() -> dict[str, float]:
    text = (resources.files("jobs.analysis") / "data" / "background.tsv").read_text(encoding="utf-8")
    table = {word: float(weight) for word, weight in (line.split("\t") for line in text.splitlines())}
    return table | dict.fromkeys(_GRAMMAR, 0.0)
