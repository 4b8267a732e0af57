"""Which mailing list a message came by, and how to leave it."""

import re

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail

_MOST_CHARS = 4000
_LONGEST = 2000
_LINK = re.compile(r"<\s*([a-zA-Z]+:[^<>\s]{1,2000})\s*>")
_ID = re.compile(r"<([^<>]{1,255})>\s*$")


class MailingList:
    """RFC 2919's List-Id and RFC 2369's List-Unsubscribe, with RFC 8058's one click. Only https, http and mailto."""

    name, version = "mailing_list", 1
    fields: tuple[Field, ...] = (
        ("list_id", pa.string()),
        ("list_name", pa.string()),
        ("unsubscribe_url", pa.string()),
        ("unsubscribe_address", pa.string()),
        ("one_click", pa.bool_()),
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(list id, its name, URL, address, one click); None for mail of no list."""
        told, ways = mail.message.list_id[:_MOST_CHARS], mail.header("list-unsubscribe")[:_MOST_CHARS]
        if not told and not ways:
            return None
        found = _ID.search(told)
        list_id = found[1].strip() if found else told.strip()[:255]
        name = told[: found.start()].strip(' "') if found else ""
        url = address = None
        for link in _LINK.findall(ways):
            scheme, _, rest = link.partition(":")
            if scheme.lower() in ("http", "https") and (url is None or not url.startswith("https")):
                url = link[:_LONGEST]
            elif scheme.lower() == "mailto" and address is None:
                address = rest.partition("?")[0][:320]
        one_click = url is not None and "one-click" in mail.header("list-unsubscribe-post").lower()
        return list_id or None, name[:255] or None, url, address, one_click
