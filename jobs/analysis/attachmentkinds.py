"""The kinds of attachments by their leading bytes, regardless of their names.

A mismatch is reported only if both kinds are known: a name that claims a kind with known leading bytes, and leading
bytes of another kind.
"""

import re

import pyarrow as pa

from jobs.analysis.mail import Mail

_MOST = 100

#: Leading bytes -> kind. The longest first where one is a prefix of another.
_LEADING: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "sevenzip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"{\\rtf", "rtf"),
    (b"%!PS", "postscript"),
    (b"MZ", "executable"),
    (b"\x7fELF", "executable"),
    (b"\xcf\xfa\xed\xfe", "executable"),
    (b"#!", "script"),
    (b"ID3", "audio"),
    (b"OggS", "audio"),
    (b"fLaC", "audio"),
    (b"BEGIN:VCALENDAR", "calendar"),
    (b"BEGIN:VCARD", "contact"),
)
_BY_FIRST_BYTE: dict[int, list[tuple[bytes, str]]] = {}
for _magic, _kind_of_it in _LEADING:
    _BY_FIRST_BYTE.setdefault(_magic[0], []).append((_magic, _kind_of_it))

#: Names of files in a zip that identify a document format; they occur in its leading bytes.
_IN_ZIP = (
    (b"word/", "word"), (b"xl/", "excel"), (b"ppt/", "powerpoint"), (b"mimetypeapplication/vnd.oasis", "opendocument"),
    (b"mimetypeapplication/epub", "epub"), (b"META-INF/MANIFEST.MF", "java"), (b"[Content_Types].xml", "office"),
)  # fmt: skip
_ZIPPED = frozenset({"zip", "word", "excel", "powerpoint", "opendocument", "epub", "java", "office"})

#: File name suffixes -> the kinds that the content may be.
_CLAIMS: dict[str, frozenset[str]] = {
    **{end: frozenset({end}) for end in ("pdf", "png", "gif", "rar", "rtf")},
    **dict.fromkeys(("jpg", "jpeg"), frozenset({"jpeg"})),
    **dict.fromkeys(("tif", "tiff"), frozenset({"tiff"})),
    **dict.fromkeys(("docx", "docm", "xlsx", "xlsm", "pptx", "pptm"), _ZIPPED | {"ole"}),
    **dict.fromkeys(("zip", "odt", "ods", "odp", "epub", "jar"), _ZIPPED),
    **dict.fromkeys(("doc", "xls", "ppt"), _ZIPPED | {"ole", "rtf", "html", "xml", "text"}),
    **dict.fromkeys(("txt", "csv", "log", "md"), frozenset({"text", "html", "xml", "script", "calendar", "contact"})),
    **dict.fromkeys(("htm", "html"), frozenset({"html", "xml", "text"})),
    **dict.fromkeys(("exe", "dll", "scr", "com"), frozenset({"executable"})),
    **dict.fromkeys(("gz", "tgz"), frozenset({"gzip"})),
    "7z": frozenset({"sevenzip"}),
}
#: File name suffixes that are executed when opened.
RUN = frozenset(
    {
        "exe", "dll", "scr", "com", "bat", "cmd", "pif", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "msi", "msp",
        "ps1", "jar", "lnk", "reg", "cpl", "iso", "img", "vhd", "app", "apk", "sh",
    }
)  # fmt: skip
_HTML = re.compile(rb"\s*(?:<!--.{0,200}?-->\s*)?<(?:!doctype html|html|head|body)\b", re.I | re.S)


class AttachmentKinds:
    """Null for a message without attachments, or when their leading bytes are unknown."""

    name = "attachmentkinds"
    version = 1
    fields = (
        ("kinds", pa.list_(pa.string())),  # distinct, sorted; "unknown" for unrecognized bytes
        ("mismatches", pa.int32()),  # attachments whose content is of another kind than their name
        ("executables", pa.int32()),  # attachments that are executed when opened, by content or by name
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        if not mail.heads:
            return None
        kinds: set[str] = set()
        mismatches = executables = 0
        for attachment, head in zip(mail.message.attachments[:_MOST], mail.heads, strict=False):
            kind = kind_of(head)
            end = attachment.filename.rpartition(".")[2].lower() if "." in attachment.filename else ""
            claims = _CLAIMS.get(end)
            kinds.add(kind)
            mismatches += claims is not None and kind != "unknown" and kind != "empty" and kind not in claims
            executables += kind == "executable" or kind == "java" or end in RUN
        return sorted(kinds), mismatches, executables


def kind_of(head: bytes) -> str:
    """The kind of content by its leading bytes; "text" for UTF-8 without control characters, otherwise "unknown"."""
    if not head:
        return "empty"
    for magic, kind in _BY_FIRST_BYTE.get(head[0], ()):
        if head.startswith(magic):
            return next((inner for name, inner in _IN_ZIP if name in head), kind) if kind == "zip" else kind
    if head[4:8] == b"ftyp":
        return "image" if head[8:12] in (b"heic", b"heix", b"mif1", b"avif") else "video"
    if head.startswith(b"RIFF"):
        return {b"WEBP": "image", b"WAVE": "audio", b"AVI ": "video"}.get(head[8:12], "unknown")
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "bmp"
    return _text_kind(head)


def _text_kind(head: bytes) -> str:
    if _HTML.match(head):
        return "html"
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3 or len(head) < 4:
            return "unknown"
        text = head[: error.start].decode("utf-8-sig")  # cut inside a character
    if any(char < " " and char not in "\t\n\r\f\x1b" for char in text):
        return "unknown"
    return "xml" if text.lstrip().startswith("<?xml") else "text"
