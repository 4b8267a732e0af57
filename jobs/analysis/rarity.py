"""How much a word tells by being there: the rarer in other mail, the more.

The table (data/background.tsv) is counted by training/: words and the logarithm of how rarely they stand in messages.
Words of grammar weigh nothing, in the languages that they are listed for.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib import resources

from jobs.analysis.words import listed

#: A word that the table does not have is rarer than all that it has.
UNKNOWN = 6.0
_MOST = 8
_LONGEST = 30
_MOST_WORDS = 300
_SUBJECT = 2
#: Words of grammar, by which no message differs from another.
_GRAMMAR = listed("grammar")


def weighed(words: Sequence[str], subject: str) -> list[tuple[str, float]]:
    """Words with how often they stand there times how rare they are, heaviest first, at most eight.

    Args:
        words: in lower case, in order.
        subject: whose words count as often as two more.
    """
    weights = _weights()
    counts = Counter(words[:_MOST_WORDS])
    for word in subject.lower().split()[:30]:
        if word in counts:
            counts[word] += _SUBJECT
    get = weights.get
    scored = {word: count * get(word, UNKNOWN) for word, count in counts.items()}
    best = sorted(scored, key=scored.__getitem__, reverse=True)[: 3 * _MOST]  # of equal ones the first comes first
    return [(word, scored[word]) for word in best if scored[word] and 2 < len(word) <= _LONGEST and word.isalpha()][
        :_MOST
    ]


@cache
def _weights() -> dict[str, float]:
    text = (resources.files("jobs.analysis") / "data" / "background.tsv").read_text(encoding="utf-8")
    table = {word: float(told) for word, told in (line.split("\t") for line in text.splitlines())}
    return table | dict.fromkeys(_GRAMMAR, 0.0)
