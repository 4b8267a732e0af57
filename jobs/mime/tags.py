"""Bounds of HTML before any parser sees it: attributes of one tag, character references, depth.

Parsers compare each attribute of a tag with all the others of it, and take microseconds for each "&" that begins no
character reference: a megabyte of either occupies them for seconds. One pass, linear: a tag is read as the HTML
standard's tokeniser reads it (13.2.5), from every place where one could begin, and a bounded number of attributes far.

Measured 2026-11 (1 MB of distinct attributes, one of two busy cores): nh3 5.2 s, 0.1 s once they are cut.
"""

import html
import re
from collections import Counter

#: Attributes of one tag that are kept; newsletters have up to 20.
ATTRIBUTES = 250
#: Markup that is too short to cost anybody more than a few milliseconds is not looked at.
_HARMLESS_CHARS = 48 * 1024
#: "&" that the sanitiser is given; 10,000 that begin no character reference occupy it for 0.1 s.
REFERENCES = 10_000

#: Elements in one another; the deepest newsletters have 150.
DEPTH = 1_000
#: Markup with fewer tags is not looked at: 4,000 in one another cost 0.1 s.
_MANY_TAGS = 4_000
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_NEVER_NESTED = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "wbr"}
    | {"p", "li", "td", "th", "tr", "dt", "dd", "tbody", "thead", "option", "html", "head", "body", "a"}
)

_NAME = r"<[a-zA-Z/][^\s/>]*+"
_VALUE = r"""\s*+=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'>])[^\s>]*+)?+"""
_ATTRIBUTE = rf"[\s/]*+[^\s/>][^\s/>=]*+(?:{_VALUE})?+"
_TOO_MANY = re.compile(rf"(?P<kept>{_NAME}(?:{_ATTRIBUTE}){{{ATTRIBUTES}}}+)(?:{_ATTRIBUTE})++")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")


def bounded(markup: str) -> str:
    """The markup with at most `ATTRIBUTES` attributes in each tag; later ones are left out."""
    if len(markup) < _HARMLESS_CHARS:
        return markup
    return _TOO_MANY.sub(r"\g<kept> ", markup)


def is_too_deep(markup: str) -> bool:
    """Whether elements are nested deeper than `DEPTH`, as far as their tags tell.

    Parsers climb through the open elements at each `<div>`: 18,000 in one another occupy them for 2 s. Who hides the
    nesting behind elements that end others too late needs several tags for each level, and tags are bounded.
    """
    if markup.count("<") < _MANY_TAGS:
        return False
    depth, opened = 0, Counter[str]()
    for slash, name in _TAG.findall(markup):
        tag = name.lower()
        if tag in _NEVER_NESTED:
            continue
        if not slash:
            opened[tag] += 1
            depth += 1
            if depth > DEPTH:
                return True
        elif opened[tag]:
            opened[tag] -= 1
            depth -= 1
    return False


def with_few_references(markup: str) -> str | None:
    """The markup with at most `REFERENCES` character references, None when it has more "&" than that by themselves."""
    if markup.count("&") > REFERENCES:
        markup = _REFERENCE.sub(_read, markup)
    return markup if markup.count("&") <= REFERENCES else None


def _read(reference: re.Match[str]) -> str:
    """The character, unless it would be markup."""
    text = html.unescape(reference[0])
    return reference[0] if text in _MARKUP else text


_MARKUP = frozenset("<>&\"'")
