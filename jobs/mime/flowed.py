"""Plain text with soft line breaks (RFC 3676, format=flowed) as paragraphs: one line each, however long.

Soft breaks are joined (with DelSp the blank before them goes, as between characters of Japanese), stuffed blanks
removed, quotes kept as displayed: ">" once per level, and a blank. One pass over the lines.
"""

from collections.abc import Mapping

_SIGNATURE = "-- "


def is_flowed(parameters: Mapping[str, str]) -> bool:
    """Whether the parameters of text/plain declare soft line breaks."""
    return parameters.get("format", "").strip().lower() == "flowed"


def text_of(text: str, parameters: Mapping[str, str]) -> str:
    """The text with its paragraphs whole; as it is when nothing declares soft breaks. Lines end with "\\n"."""
    if not is_flowed(parameters):
        return text
    return unflowed(text, parameters.get("delsp", "").strip().lower() == "yes")


def unflowed(text: str, delete_space: bool) -> str:
    """The paragraphs of flowed text, one line each."""
    lines: list[str] = []
    paragraph: list[str] = []
    depth = 0
    for line in text.split("\n"):  # by slices, which cost less than methods: every line of the mail passes here
        first, content, level = line[:1], line, 0
        if first == ">":
            content = line.lstrip(">")
            level = len(line) - len(content)
            first = content[:1]
        if first == " ":
            content = content[1:]
        is_soft = content[-1:] == " " and content != _SIGNATURE
        if paragraph and (level != depth or content == _SIGNATURE):  # a soft break that nothing follows
            lines.append(_shown(paragraph, depth))
            paragraph = []
        depth = level
        if is_soft:
            paragraph.append(content[:-1] if delete_space else content)
        elif paragraph:
            paragraph.append(content)
            lines.append(_shown(paragraph, depth))
            paragraph = []
        else:
            lines.append(f"{'>' * depth} {content}" if depth else content)
    if paragraph:
        lines.append(_shown(paragraph, depth))
    return "\n".join(lines)


def _shown(paragraph: list[str], depth: int) -> str:
    content = "".join(paragraph)
    return f"{'>' * depth} {content}" if depth else content
