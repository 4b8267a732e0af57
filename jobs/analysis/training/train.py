"""Trains data/spam.bin and data/background.tsv.

python -m jobs.analysis.training.train SPAM_AND_HAM.tar.gz [HAM.tar.gz ...]

The first is the SpamAssassin corpus, as .eml files in a .tar.gz. The others hold honest mail of other kinds (an Enron
mailbox): with the SpamAssassin corpus alone, a fifth of business mail scores 0.5 and more. Synthetic mail of today
(modern.py) is always added. The words' rarity is that of the first.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from jobs.analysis.mail import Mail
from jobs.analysis.spam import features
from jobs.analysis.training import corpus, hinge, modern

FOLDER = Path(__file__).parent.parent / "data"
_WORDS = 4000
#: Words that occur in more than this many of a thousand messages are grammatical words.
_GRAMMAR = 120


def spam_bin(examples: Sequence[corpus.Example]) -> bytes:
    """The trained spam model."""
    model = hinge.train([(example.name, features(example.mail), example.spam) for example in examples])
    return model.packed(len(examples))


def background_tsv(mails: Sequence[Mail]) -> str:
    """The most common words with their weights: the binary logarithm of their rarity, in quarters.

    Logarithms are computed from bit lengths of integers, so that the result does not depend on the machine.
    """
    counts: Counter[str] = Counter()
    for mail in mails:
        counts.update({*mail.words})
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_WORDS]
    rows = [f"{word}\t{_weight(count, len(mails)):g}" for word, count in common]
    return "\n".join(rows) + "\n"


def _weight(count: int, messages: int) -> float:
    if count * 1000 >= messages * _GRAMMAR:
        return 0.0
    quarters = ((messages**4) // (count**4)).bit_length() - 1  # four times the binary logarithm, rounded down
    return quarters / 8  # half of the logarithm: the frequencies of words differ by factors of thousands


def main() -> None:
    """Write the files."""
    examples, *others = [corpus.read(Path(name)) for name in sys.argv[1:]]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "spam.bin").write_bytes(spam_bin([*examples, *chain(*others), *modern.examples()]))
    (FOLDER / "background.tsv").write_text(background_tsv([example.mail for example in examples]), encoding="utf-8")


if __name__ == "__main__":
    main()
