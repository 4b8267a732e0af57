"""Detects the language of a text.

eldc (Apache-2.0) contains its table of n-grams: nothing is read or fetched at run time.
"""

from collections.abc import Sequence
from functools import cache

import eldc

_MOST_WORDS = 60
#: Characters of a text without spaces.
_MOST_CHARS = 400
#: Least number of letters: a shorter text is a name or a number. The second number is for syllabic and logographic
#: scripts.
_FEWEST_LETTERS, _FEWEST_SYLLABLES = 12, 4
_SYLLABLES = "\u3000"
_SURE, _UNSURE = 1.0, 0.5


def detect(words: Sequence[str]) -> tuple[str, float]:
    """(ISO 639-1 code, confidence 0 to 1) of a text's words; ("", 0.0) when no language is detected.

    Confidence is 1 where the detector calls itself reliable, 0.5 elsewhere.
    """
    text = " ".join(words[:_MOST_WORDS])[:_MOST_CHARS]
    fewest = _FEWEST_LETTERS if text.isascii() or max(text) < _SYLLABLES else _FEWEST_SYLLABLES
    if len(text) < 4 * fewest and sum(map(str.isalpha, text)) < fewest:
        return "", 0.0
    detected = _detector().detect_details(text)
    if detected.language == "und":
        return "", 0.0
    return detected.language, _SURE if detected.reliable else _UNSURE


@cache
def _detector() -> "eldc.Instance":
    eldc.init()
    return eldc.instance()
