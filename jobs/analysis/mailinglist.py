"""The mailing list of a message, and its unsubscribe links (RFC 2919, 2369, 8058).

Links are reported, never followed. Only https, http and mailto links are reported; other schemes are ignored.
"""

import re

import pyarrow as pa

from jobs.analysis.mail import Mail

_MOST_CHARS = 2_000
_ID = re.compile(r"<([^<>\s]{1,255})>")
_URI = re.compile(r"<\s*([^<>]{1,2000})>")


class MailingList:
    """Null for a message that names neither a list nor a way to unsubscribe."""

    name = "mailinglist"
    version = 1
    fields = (
        ("list_id", pa.string()),  # the identifier in lower case, without brackets and description; "" without one
        ("unsubscribe_http", pa.string()),  # https before http; "" without one
        ("unsubscribe_mailto", pa.string()),  # with its ?subject=; "" without one
        ("one_click", pa.bool_()),  # a POST to unsubscribe_http unsubscribes: RFC 8058, https only
        ("posting_allowed", pa.bool_()),  # List-Post names an address; null when it is absent
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        leave = mail.headers("list-unsubscribe")
        post = mail.header("list-post")[:_MOST_CHARS].strip()
        identifier = _identifier(mail.header("list-id") or mail.header("x-list-id"))
        if not leave and not identifier and not post:
            return None
        uris = [_clean(uri) for value in leave[:5] for uri in _URI.findall(value[:_MOST_CHARS])]
        secure = _first(uris, "https://")
        http = secure or _first(uris, "http://")
        declared = mail.header("list-unsubscribe-post").replace(" ", "").lower()[:100]
        one_click = bool(secure) and declared == "list-unsubscribe=one-click"
        posting = ("mailto:" in post.lower()) if post else None
        return identifier, http, _first(uris, "mailto:"), one_click, posting


def _identifier(value: str) -> str:
    value = value[:_MOST_CHARS]
    match = _ID.search(value)
    if match:
        return match[1].lower()
    word = value.strip().lower()  # old lists omit the brackets
    return word if 0 < len(word) <= 255 and "." in word and not any(map(str.isspace, word)) else ""


def _clean(uri: str) -> str:
    """Remove the white space of folded lines."""
    return "".join(uri.split())


def _first(uris: list[str], scheme: str) -> str:
    return next((uri for uri in uris if uri[: len(scheme)].lower() == scheme and len(uri) > len(scheme)), "")
