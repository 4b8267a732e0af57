"""Which language a text is written in.

eldc (Apache-2.0) is a table of n-grams compiled into its wheel: nothing is read or fetched at run time.
"""

from collections.abc import Sequence
from functools import cache

import eldc

_MOST_WORDS = 60
#: Characters of a text without spaces.
_MOST_CHARS = 400
#: Fewer letters than this are a name or a number, not a language; of a script whose letters are syllables or words.
_FEWEST_LETTERS, _FEWEST_SYLLABLES = 12, 4
_SYLLABLES = "\u3000"
_SURE, _UNSURE = 1.0, 0.5


def detect(words: Sequence[str]) -> tuple[str, float]:
    """(ISO 639-1 code, confidence 0 to 1) of a text's words; ("", 0.0) when it cannot be told.

    Confidence is 1 where the detector calls itself reliable, 0.5 elsewhere.
    """
    text = " ".join(words[:_MOST_WORDS])[:_MOST_CHARS]
    fewest = _FEWEST_LETTERS if text.isascii() or max(text) < _SYLLABLES else _FEWEST_SYLLABLES
    if len(text) < 4 * fewest and sum(map(str.isalpha, text)) < fewest:
        return "", 0.0
    found = _detector().detect_details(text)
    if found.language == "und":
        return "", 0.0
    return found.language, _SURE if found.reliable else _UNSURE


@cache
def _detector() -> "eldc.Instance":
    eldc.init()
    return eldc.instance()
