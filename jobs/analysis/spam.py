"""How much a message reads like spam: words hashed into buckets, a weight for each, summed up.

The weights (data/spam.bin) are trained by training/ with whole numbers alone, so that anybody's training gives the
same bytes. What headers say is left out: it would tell the corpus that was learnt from, not the mail.
"""

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from math import exp, sqrt
from zlib import crc32

from jobs.analysis.mail import Mail
from storage.errors import BackupError

BUCKETS = 1 << 15
_MOST_WORDS = 300


class ModelDamaged(BackupError):
    """A trained file of the package is not what was trained. Install the package again."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name} of the installation is damaged: install it again."


@dataclass(frozen=True, slots=True)
class Model:
    """weights: one for each bucket, -127 to 127; scale: the sum, over the root of its terms, that means 73%."""

    weights: Sequence[int]
    bias: int
    scale: int

    def score(self, features: Sequence[int]) -> float:
        """0 for the best ham, 1 for the worst spam."""
        weights = self.weights
        total = self.bias + sum([weights[each] for each in features])
        return 1 / (1 + exp(-max(-60.0, min(60.0, total / sqrt(len(features) + 1) / self.scale))))

    def packed(self, messages: int) -> bytes:
        """As the file has it."""
        body = array("b", self.weights).tobytes()
        head = {"bias": self.bias, "scale": self.scale, "messages": messages, "sha256": sha256(body).hexdigest()}
        return json.dumps(head, sort_keys=True).encode() + b"\n" + body


def features(mail: Mail) -> list[int]:
    """The buckets of a message, each once."""
    message = mail.message
    known = _KNOWN
    found = {known[word] if word in known else _bucket(word) for word in mail.words[:_MOST_WORDS]}
    text = mail.body[:4000]
    links = text.count("http://") + text.count("https://")
    shouted = sum([len(word) > 3 and word.isupper() for word in f"{message.subject} {text[:400]}".split()])
    found |= {_bucket(f"s:{word}") for word in message.subject.lower().split()[:20]}
    found.add(_bucket(f"#links {min(links, 6)}"))
    found.add(_bucket(f"#shouted {min(shouted // 3, 6)}"))
    found.add(_bucket(f"#marks {min(text.count('!'), 6)}"))
    found.add(_bucket(f"#money {min(text.count('$'), 4)}"))
    found.add(_bucket(f"#html {message.has_html}"))
    found.add(_bucket(f"#length {min(len(text) // 500, 8)}"))
    return list(found)


def spam_score(mail: Mail) -> float:
    """0 to 1, by the model of the package.

    Raises:
        ModelDamaged.
    """
    return shipped().score(features(mail))


@cache
def shipped() -> Model:
    """The model of the package."""
    head, _, body = (resources.files("jobs.analysis") / "data" / "spam.bin").read_bytes().partition(b"\n")
    told = json.loads(head)
    if sha256(body).hexdigest() != told["sha256"] or len(body) != BUCKETS:
        raise ModelDamaged("spam.bin")
    weights = array("b")
    weights.frombytes(body)
    return Model(weights, told["bias"], told["scale"])


#: The buckets of the words that came first: a dictionary's look costs a tenth of the checksum.
_KNOWN: dict[str, int] = {}
_MOST_KNOWN = 100_000


def _bucket(word: str) -> int:
    bucket = crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS
    if len(_KNOWN) < _MOST_KNOWN and len(word) < 32:
        _KNOWN[word] = bucket
    return bucket
