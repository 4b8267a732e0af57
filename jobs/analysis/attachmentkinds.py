"""What attached files are, by their first bytes and not by their names."""

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail

#: (where, bytes, kind), first match counts. Of formats' own specifications.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image"),
    (0, b"\xff\xd8\xff", "image"),
    (0, b"GIF8", "image"),
    (0, b"BM", "image"),
    (0, b"II*\x00", "image"),
    (0, b"MM\x00*", "image"),
    (8, b"WEBP", "image"),
    (4, b"ftypheic", "image"),
    (4, b"ftyp", "video"),
    (8, b"AVI ", "video"),
    (0, b"\x1aE\xdf\xa3", "video"),
    (8, b"WAVE", "audio"),
    (0, b"ID3", "audio"),
    (0, b"OggS", "audio"),
    (0, b"fLaC", "audio"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),
    (0, b"{\\rtf", "document"),
    (0, b"MZ", "executable"),
    (0, b"\x7fELF", "executable"),
    (0, b"\xca\xfe\xba\xbe", "executable"),
    (0, b"\xcf\xfa\xed\xfe", "executable"),
    (0, b"L\x00\x00\x00\x01\x14\x02\x00", "executable"),  # a Windows shortcut
    (0, b"#!", "script"),
    (0, b"\x1f\x8b", "archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "archive"),
    (0, b"Rar!\x1a\x07", "archive"),
    (0, b"BZh", "archive"),
    (0, b"\xfd7zXZ\x00", "archive"),
    (0, b"MSCF", "archive"),
    (257, b"ustar", "archive"),
    (0, b"\x78\x9f\x3e\x22", "tnef"),
    (0, b"BEGIN:VCALENDAR", "calendar"),
    (0, b"BEGIN:VCARD", "contact"),
    (0, b"-----BEGIN PGP", "encrypted"),
)
#: What a ZIP is, by names of its first members.
_ZIPPED = (
    (b"word/", "document"),
    (b"xl/", "spreadsheet"),
    (b"ppt/", "presentation"),
    (b"application/vnd.oasis.opendocument.text", "document"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "spreadsheet"),
    (b"application/vnd.oasis.opendocument.presentation", "presentation"),
    (b"[Content_Types].xml", "office"),
    (b"META-INF/MANIFEST.MF", "executable"),
)
#: What a file of such a name is, in kinds that it may have.
_NAMED: dict[str, frozenset[str]] = {
    **dict.fromkeys(("pdf",), frozenset({"pdf"})),
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp", "heic"), frozenset({"image"})),
    **dict.fromkeys(("doc", "xls", "ppt", "msi"), frozenset({"office", "document", "text"})),
    **dict.fromkeys(("docx", "odt", "rtf"), frozenset({"document", "office", "archive"})),
    **dict.fromkeys(("xlsx", "ods"), frozenset({"spreadsheet", "office", "archive"})),
    **dict.fromkeys(("pptx", "odp"), frozenset({"presentation", "office", "archive"})),
    **dict.fromkeys(("zip", "gz", "tgz", "7z", "rar", "bz2", "xz", "cab", "tar"), frozenset({"archive"})),
    **dict.fromkeys(("mp4", "mov", "avi", "mkv", "webm"), frozenset({"video"})),
    **dict.fromkeys(("mp3", "wav", "ogg", "flac", "m4a"), frozenset({"audio", "video"})),
    **dict.fromkeys(("txt", "csv", "log", "md", "ics", "vcf", "eml"), frozenset({"text", "calendar", "contact"})),
    **dict.fromkeys(("exe", "dll", "com", "scr", "jar", "lnk"), frozenset({"executable", "archive"})),
}
_RUNS = frozenset({"exe", "dll", "com", "scr", "jar", "lnk", "bat", "cmd", "js", "jse", "vbs", "ps1", "hta", "wsf"})
_CONTROL = bytes(range(9)) + bytes(range(14, 27))


def kind_of(head: bytes) -> str:
    """What a file is that begins so; "data" when nothing tells."""
    if not head:
        return "empty"
    if head.startswith(b"PK\x03\x04"):
        return next((kind for name, kind in _ZIPPED if name in head), "archive")
    for at, magic, kind in _MAGIC:
        if head.startswith(magic, at):
            return kind
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<script")):
        return "html"
    if start.startswith((b"<?xml", b"<svg")):
        return "svg" if b"<svg" in head else "xml"
    return "data" if head.translate(None, _CONTROL) != head else "text"


class AttachmentKinds:
    """The kinds of a message's files; those whose content is not what their name says; whether one would run."""

    name, version = "attachment_kinds", 1
    fields: tuple[Field, ...] = (
        ("kinds", pa.list_(pa.string())),  # one for each file, in order
        ("disguised", pa.list_(pa.string())),  # parts whose content is of another kind than their name
        ("runs", pa.bool_()),  # a program or a script, by content or by name
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(kinds, disguised, runs); None for a message without files, or of whose files nothing is known."""
        files = mail.message.attachments
        if not files or len(mail.heads) != len(files):
            return None
        kinds = [kind_of(head) for head in mail.heads]
        endings = [each.filename.rpartition(".")[2].lower() for each in files]
        disguised = [
            file.part
            for file, kind, ending in zip(files, kinds, endings, strict=True)
            if kind not in ("empty", "data") and ending in _NAMED and kind not in _NAMED[ending]
        ]
        runs = any(kind in ("executable", "script") for kind in kinds) or not _RUNS.isdisjoint(endings)
        return kinds, disguised, runs
