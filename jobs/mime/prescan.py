"""The charset that an HTML document declares about itself, found before anything of it is decoded.

The prescan of the HTML standard (13.2.3.2): comments are skipped, and so is what looks like a tag inside the
attribute of another. One pass over a bounded number of bytes.
"""

import re

from jobs.mime import charset

#: Bytes in which a document declares its charset; mailers put style sheets before it.
_PRESCAN_BYTES = 8 * 1024

_VALUE = rb"""\s*+=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'>])[^\s>]*+)"""
_ATTRIBUTE = rb"[\s/]*+[^\s/>][^\s/>=]*+(?:" + _VALUE + rb")?+"
_TAG = re.compile(
    rb"<!--(?:-?>|.*?-->|.*\Z)|</?(?P<name>[a-z][^\s/>]*+)(?P<attributes>(?:" + _ATTRIBUTE + rb")*+)|<[!/?][^>]*+",
    re.DOTALL,
)
_NAMED = re.compile(rb"""([^\s/>=]++)\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>"']*+))|[^\s/>]++""")
_CHARSET = re.compile(rb"""charset\s{0,20}=\s{0,20}["']?\s{0,20}([^\s"';,]{1,80})""")
_XML = re.compile(rb"""<\?xml\s[^>?]{0,200}?encoding\s{0,20}=\s{0,20}["']\s{0,20}([^\s"'>]{1,80})""")


def charset_of(content: bytes, declared: str) -> str:
    """The charset of HTML: as declared outside, else by its `<meta>`, else "". A byte order mark is `charset`'s.

    A `<meta>` or an XML declaration that names an unknown charset is passed over.
    """
    if charset.codec(declared):
        return declared
    head = content[:_PRESCAN_BYTES].lower()
    if b"charset" in head:
        for found in _TAG.finditer(head):
            if found["name"] == b"meta" and (label := _known(_of_meta(found["attributes"]))):
                return label
    xml = _XML.match(head.lstrip())
    return (_known(xml[1]) if xml else "") or declared


def _of_meta(attributes: bytes) -> bytes:
    """The charset that the attributes of a `<meta>` name, or nothing."""
    values: dict[bytes, bytes] = {}
    for found in _NAMED.finditer(attributes):
        if found[1]:
            values.setdefault(found[1], found[2] or found[3] or found[4] or b"")
    if b"charset" in values:
        return values[b"charset"].strip()
    content = values.get(b"content", b"").strip()
    if values.get(b"http-equiv", b"").strip() != b"content-type" and not content.startswith(b"text/"):
        return b""
    named = _CHARSET.search(content)
    return named[1] if named else b""


def _known(label: bytes) -> str:
    """The label as a charset of bytes that were read as ASCII so far; "" when it is not known."""
    name = label.decode("latin-1")
    codec = charset.codec(name)
    if not name or codec is None:
        return ""
    return "utf-8" if codec.startswith(("utf_16", "utf_32")) else name
