"""Spam score: a linear model over hashed words.

The weights (data/spam.bin) are trained by training/ in integer arithmetic, so that training is reproducible bit for
bit. Headers are not features: they would identify the training corpus, not spam.
"""

import json
import re
from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib import resources
from math import exp, sqrt
from zlib import crc32

from jobs.analysis.mail import Mail
from jobs.analysis.relations import relations
from storage.errors import BackupError

BUCKETS = 1 << 15
#: Scores from this on count as likely spam.
LIKELY = 0.5
_MOST_CHARS = 4_000
_SHOUTED = re.compile(r"\b[A-Z]{4,}\b")
_MOST_KNOWN = 100_000
#: Margin at which a message scores 0.5, the log-odds of a unit of margin, and the margin that a sign of acquaintance
#: takes away. Measured (2026-11), scores of 0.5 and of 0.85: 2.5% and 1.4% of an Enron mailbox that was not learnt; of
#: the SpamAssassin corpus's spam 91% and 86% where it was learnt, 84% and 79% of its last months where it was not.
_LIMIT, _SLOPE, _KNOWN_WRITER = 0.55, 17.0, 0.2


class ModelDamaged(BackupError):
    """A trained file of the package is corrupt. Reinstall the package."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name} of the installation is damaged: reinstall the package."


class _Known(dict[str, int]):
    """Cache of features' weights: a look-up costs a tenth of the checksum."""

    def __init__(self, weights: Sequence[int]) -> None:
        super().__init__()
        self._weights = weights

    def __missing__(self, feature: str) -> int:
        weight = self._weights[bucket(feature)]
        if len(self) < _MOST_KNOWN and len(feature) < 32:
            self[feature] = weight
        return weight


@dataclass(frozen=True)
class Model:
    """weights: one per bucket, -127 to 127; scale: the sum, over the square root of its terms, of log-odds of 1."""

    weights: Sequence[int]
    bias: int
    scale: int
    known: _Known = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", _Known(self.weights))

    def score(self, mail: Mail) -> float:
        """0 for the best ham, 1 for the worst spam."""
        margin = self.margin(features(mail)) - (_KNOWN_WRITER if mail.once(relations) else 0.0)
        return 1 / (1 + exp(-max(-60.0, min(60.0, _SLOPE * (margin - _LIMIT)))))

    def margin(self, features: Collection[str]) -> float:
        """The distance from the plane between ham (negative) and spam; 1 for a typical message of either."""
        return (self.bias + sum(map(self.known.__getitem__, features)) / sqrt(len(features) + 1)) / self.scale

    def packed(self, messages: int) -> bytes:
        """The model in the file's format."""
        body = array("b", self.weights).tobytes()
        head = {"bias": self.bias, "scale": self.scale, "messages": messages, "sha256": sha256(body).hexdigest()}
        return json.dumps(head, sort_keys=True).encode() + b"\n" + body


def features(mail: Mail) -> set[str]:
    """The distinct features of a message: its words, those of its subject, and its shape."""
    message = mail.message
    text = mail.body[:_MOST_CHARS]
    links = text.count("http://") + text.count("https://")
    shouted = len(_SHOUTED.findall(f"{message.subject[:200]} {text[:400]}"))
    return {
        *mail.distinct_words,
        *[f"s:{word}" for word in message.subject.lower().split()[:20]],
        f"#links {min(links, 6)}",
        f"#shouted {min(shouted // 3, 6)}",
        f"#marks {min(text.count('!'), 6)}",
        f"#money {min(text.count('$'), 4)}",
        f"#html {message.has_html}",
        f"#length {min(len(text) // 500, 8)}",
    }


def spam_score(mail: Mail) -> float:
    """Spam score by the shipped model, 0 to 1. Ask for it by `mail.once(spam_score)`.

    Raises:
        ModelDamaged.
    """
    return shipped().score(mail)


@cache
def shipped() -> Model:
    """The model in the package."""
    head, _, body = (resources.files("jobs.analysis") / "data" / "spam.bin").read_bytes().partition(b"\n")
    header = json.loads(head)
    if sha256(body).hexdigest() != header["sha256"] or len(body) != BUCKETS:
        raise ModelDamaged("spam.bin")
    weights = array("b")
    weights.frombytes(body)
    return Model(weights, header["bias"], header["scale"])


def bucket(feature: str) -> int:
    """The bucket of a feature."""
    return crc32(feature.encode("utf-8", "surrogatepass")) % BUCKETS
