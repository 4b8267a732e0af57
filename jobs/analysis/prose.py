"""The sentences in which a writer says something: no greeting, closing, disclaimer or link to a page of the mail.

Computed once per message (`Mail.sentences`) for the summary and the sentiment. Sentences are split at literals: a
pattern that splits them takes three times as long.
"""

import re
from itertools import chain

from jobs.analysis.words import phrases

#: Limits of what is read.
_MOST_CHARS, _MOST_SENTENCES = 2_400, 40
#: A cut that leaves fewer characters is not made: the phrase is not a footer then.
_FEWEST_CHARS = 24
#: Begin a footer: the line with one of them and the lines after it are left out.
_FOOTERS = phrases("footers")
_LETTERS = re.compile(r"[^\W\d_]+")
#: The longest word of a phrase -> the phrases: only those whose word occurs are searched.
_FOOTERS_BY_WORD: dict[str, list[str]] = {}
for _phrase in _FOOTERS:
    _FOOTERS_BY_WORD.setdefault(max(_LETTERS.findall(_phrase), key=len), []).append(_phrase)
_FOOTER_WORDS = frozenset(_FOOTERS_BY_WORD)
#: Occur in sentences about the message itself, such as a link to its page.
_ABOUT_THE_MAIL = phrases("about_the_mail")
_HEADERS = ("to:", "cc:", "from:", "sent by:", "sent:", "subject:", "von:", "betreff:", "objet:", "asunto:")
_CLOSINGS = frozenset(phrases("closings"))
_LONGEST_CLOSING = max(map(len, _CLOSINGS)) + 8
_GREETING = re.compile(
    r"\s*(?:dear|hi|hello|hey|good (?:morning|afternoon|evening)|hallo|liebe[rs]?|sehr geehrte[rs]?|"
    r"guten (?:tag|morgen)|bonjour|bonsoir|cher|chère|hola|estimad[oa]s?|buen[oa]s (?:días|tardes)|olá|"
    r"prezad[oa]s?|car[oai]|ciao|gentile|beste|geachte)\b(?: (?:mr|mrs|ms|dr|prof)\.)?[^\n.!?]{0,60}[,:!\n]",
    re.I,
)
#: Newsletters hide the end of their preview with characters that take no space.
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u034f\u00ad\ufeff\u2060\u2007\u180e\u115f"
_NOTHING = dict.fromkeys(map(ord, _INVISIBLE))
_WIDE_ENDS = "。？！"
_END = "\0"


def sentences(body: str, words: frozenset[str], line_by_line: bool) -> list[str]:
    """The sentences of a body, in order, at most 40; white space is as written.

    Args:
        body: without quoted text and signature.
        words: the distinct words of the body, in lower case.
        line_by_line: whether an end of line ends a sentence, as in the text of HTML.
    """
    text = body[:_MOST_CHARS]
    ascii_only = text.isascii()
    if not ascii_only and any(char in text for char in _INVISIBLE):
        text = text.translate(_NOTHING)
    text = _without_closing(_without_footer(text, words))
    if match := _GREETING.match(text):
        text = text[match.end() :]
    for mark in ".!?":
        text = text.replace(f"{mark} ", f"{mark}{_END}").replace(f"{mark}\n", f"{mark}{_END}")
    if not ascii_only:
        for mark in _WIDE_ENDS:
            text = text.replace(mark, f"{mark}{_END}")
    text = text.replace("\n" if line_by_line else "\n\n", _END)
    return [piece for piece in text.split(_END) if not piece.isspace() and piece][:_MOST_SENTENCES]


def is_about_the_mail(sentence: str) -> bool:
    """Whether a sentence, in lower case, is a notice such as "view in browser", or the head of another message."""
    if ":" in sentence and (sentence.startswith(_HEADERS) or sum(f"{name} " in sentence for name in _HEADERS) > 1):
        return True
    return any(phrase in sentence for phrase in _ABOUT_THE_MAIL)


def _without_footer(text: str, words: frozenset[str]) -> str:
    present = _FOOTER_WORDS & words
    if not present:
        return text
    lower = text.lower()
    end = len(lower)
    for phrase in chain.from_iterable(_FOOTERS_BY_WORD[word] for word in present):
        at = lower.find(phrase, _FEWEST_CHARS, end)
        if at >= 0 and (line := lower.rfind("\n", 0, at) + 1) >= _FEWEST_CHARS:
            end = line
    return text[:end]


def _without_closing(text: str) -> str:
    """The text before a line that is only a closing such as "Best regards,"."""
    start = text.find("\n") + 1
    while start:
        end = text.find("\n", start)
        line = text[start:end] if end >= 0 else text[start:]
        if len(line) < _LONGEST_CLOSING and line.strip(" \t\r,.!-").lower() in _CLOSINGS:
            return text[:start]
        start = end + 1
    return text
