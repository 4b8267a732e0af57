"""What the sender wrote: a message's text without what it quotes and without the signature.

Literals are searched before any pattern is tried: most lines of most mail are looked at by `str.find` alone. Input is
bounded and every pattern is linear, so no text takes long.
"""

import re

#: Characters kept of a body, and characters of the text that are looked at for them.
BODY_CHARS = 20_000
_READ_CHARS = 60_000
MOST_WORDS = 2_000

#: "-- " opens a signature (RFC 3676, 4.3); many mailers strip the space.
_DASHES = re.compile(
    r"\n--(?: ?\n|-{1,40} ?(?:Original Message|Ursprüngliche Nachricht|Message d'origine|"
    r"Mensaje original|Oorspronkelijk bericht|Messaggio originale)\b)"
)
#: Mailman's footer, and what Outlook on the web draws above a quoted message.
_RULE = re.compile(r"\n_{30,80} ?\n")
#: The lines that Outlook writes above a quoted message.
_OUTLOOK = re.compile(r"\n(?:From|Von|De): [^\n]{1,300}\n(?:Sent|Date|To|Gesendet|Envoyé|Enviado)(?: ?): ")
#: "On Tue, 3 Nov 2026, somebody <a@b> wrote:", before quoted lines; its first half may be a line of its own.
_ATTRIBUTION = re.compile(r"\b(?:wrote|writes|said|schrieb|a écrit|escribió|ha scritto|schreef)\b.{0,100}:\Z")
_OPENING = re.compile(r"(?:On|At|In|Am|Le|El|Il|Op)\b")
_QUOTED = re.compile(r"\n[ \t]?>[^\n]*")

_LETTERS = re.compile(r"[^\W\d_]+")
_ASCII_LETTERS = {code: chr(code) if chr(code).isalpha() else " " for code in range(128)}


def body(text: str) -> str:
    """The text without quoted history and signature, at most `BODY_CHARS`.

    When nothing would remain, as of a message that only forwards another, the text itself.
    """
    whole = "\n" + text[:_READ_CHARS]
    found = whole
    if "\n--" in found and (match := _DASHES.search(found + "\n")):
        found = found[: match.start()]
    if "\n______" in found and (match := _RULE.search(found + "\n")):
        found = found[: match.start()]
    if ": " in found and (match := _OUTLOOK.search(found)):
        found = found[: match.start()]
    if "\n>" in found or "\n >" in found:
        found = _unquoted(found)
    found = found.strip()[:BODY_CHARS].rstrip()
    return found or whole.strip()[:BODY_CHARS].rstrip()


def _unquoted(text: str) -> str:
    """Without the lines that begin with ">" and without the line that introduces them."""
    pieces: list[str] = []
    kept = 0
    for match in _QUOTED.finditer(text):
        piece = text[kept : match.start()]
        if piece.strip():
            pieces.append(_without_attribution(piece))
        kept = match.end()
    pieces.append(text[kept:])
    return "".join(pieces)


def _without_attribution(piece: str) -> str:
    before, _, last = piece.rstrip().rpartition("\n")
    if not last.endswith(":") or not _ATTRIBUTION.search(last[-300:]):
        return piece
    if not _OPENING.match(last):
        further, _, opening = before.rstrip().rpartition("\n")
        if _OPENING.match(opening):
            before = further
    return before + "\n"


def words(text: str) -> list[str]:
    """The runs of letters of a text, in lower case, at most `MOST_WORDS`.

    ASCII goes through a table, which costs a third of the pattern and gives the same.
    """
    lower = text.lower()
    found = lower.translate(_ASCII_LETTERS).split(None, MOST_WORDS) if lower.isascii() else _LETTERS.findall(lower)
    return found[:MOST_WORDS]
