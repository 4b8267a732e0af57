"""HTML as text: the visible text, one line per block."""

import html
import re
from functools import lru_cache

from selectolax.lexbor import LexborHTMLParser, SelectolaxError

from jobs.mime import tags
from jobs.mime.defects import Defects

#: Ends a line of the text; an end of line in the markup is only a blank. It is white space in HTML, so it may stand
#: between the rows of a table.
_BREAK = "\f"
_OPENING = re.compile(r"<(/?[a-zA-Z]+[1-6]?)")
_BLOCKS = frozenset(
    {"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl", "dt", "dd", "hr"}
    | {"blockquote", "pre", "form", "center", "section", "article", "header", "footer", "address", "option", "body"}
)
_CELLS = frozenset({"td", "th"})
_HIDDEN = ["script", "style", "title", "template", "noembed", "noframes"]
_HIDDEN_START = re.compile(r"<(script|style|title)\b")
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_LONG_REFERENCE = re.compile(r"&#(?:[0-9]{9,}|[xX][0-9a-fA-F]{9,});?")
_TAG = re.compile(r"<[^<>]*>")


def text(markup: str, max_tags: int, defects: Defects) -> str:
    """The visible text. Above `max_tags` tags they are only cut out: the parser's time grows with their square."""
    markup = tags.bounded(markup)
    if "<pre" in markup or "<PRE" in markup:
        markup = markup.replace("\n", _BREAK)
    pieces = _OPENING.split(markup)  # every second piece is a tag's name
    pieces[1::2] = map(_opening, pieces[1::2])
    markup = "".join(pieces)
    if markup.count("<") > max_tags or tags.is_too_deep(markup):
        defects.add("bad-html")
        return _lines(_cut_tags(markup))
    try:
        tree = LexborHTMLParser(markup)
        tree.strip_tags(_HIDDEN)
        node = tree.body or tree.root
        return _lines(node.text(deep=True, separator="", strip=False)) if node else ""
    except (SelectolaxError, ValueError, RuntimeError):
        defects.add("bad-html")
        return _lines(_cut_tags(markup))


@lru_cache(maxsize=1024)
def _opening(name: str) -> str:
    """The beginning of a tag, after the white space that separates its text from the text before."""
    tag = name.lower().lstrip("/")
    return f"{_BREAK}<{name}" if tag in _BLOCKS else f" <{name}" if tag in _CELLS else f"<{name}"


def _cut_tags(markup: str) -> str:
    return unescape(_TAG.sub("", _without_hidden(markup)))


def _without_hidden(markup: str) -> str:
    """Without scripts, style sheets and titles. One that is not closed takes all that follows, as in a browser."""
    pieces, at = [], 0
    lowered = markup.lower() if markup.isascii() else markup.translate(_LOWER)
    while found := _HIDDEN_START.search(lowered, at):
        pieces.append(markup[at : found.start()])
        end = lowered.find(f"</{found[1]}", found.end())
        if end < 0:
            return "".join(pieces)
        at = lowered.find(">", end) + 1 or len(markup)
    pieces.append(markup[at:])
    return "".join(pieces)


def unescape(text: str) -> str:
    """Text with its character references read. References of absurd length are no characters, and no error."""
    return html.unescape(_LONG_REFERENCE.sub("\ufffd", text)) if "&" in text else text


def _lines(content: str) -> str:
    """Without blank lines, and without blanks at the ends of lines or twice in a row."""
    return "\n".join([" ".join(words) for line in content.split(_BREAK) if (words := line.split())])
