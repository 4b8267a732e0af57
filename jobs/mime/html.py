"""HTML as text: what a reader would see, one line per block."""

import html
import re
from functools import lru_cache

from selectolax.lexbor import LexborHTMLParser, SelectolaxError

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
_HIDDEN_TEXT = re.compile(r"<(script|style|title)\b.*?(?:</\1\b[^<>]*>?|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")


def text(markup: str, max_tags: int, defects: Defects) -> str:
    """The visible text. Above `max_tags` tags they are only cut out: the parser's time grows with their square."""
    if "<pre" in markup or "<PRE" in markup:
        markup = markup.replace("\n", _BREAK)
    pieces = _OPENING.split(markup)  # every second piece is a tag's name
    pieces[1::2] = map(_opening, pieces[1::2])
    markup = "".join(pieces)
    if markup.count("<") > max_tags:
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
    return html.unescape(_TAG.sub("", _HIDDEN_TEXT.sub("", markup)))


def _lines(content: str) -> str:
    """Without blank lines, and without blanks at the ends of lines or twice in a row."""
    return "\n".join([" ".join(words) for line in content.split(_BREAK) if (words := line.split())])
