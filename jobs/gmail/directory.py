"""The users of a Google Workspace domain, from the Admin Directory API.

Source: developers.google.com/workspace/admin/directory/reference/rest/v1/users/list (read 2026-11).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from jobs.gmail import documents
from jobs.gmail.answers import classify
from jobs.gmail.api import Call
from jobs.gmail.config import GmailConfig, require_safe
from jobs.gmail.errors import AnswerUnreadable
from jobs.gmail.transport import Transport

_PAGE = 500  # the API's largest
_MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """A user of a domain. `active`: neither suspended nor archived, so that there is a mailbox to read."""

    email: str
    active: bool


def domain_users(config: GmailConfig, token: str, domain: str) -> list[DirectoryUser]:
    """Every user of a domain, by address.

    Args:
        token: an admin's, with the directory's scope.

    Raises:
        TokenRejected, Throttled, GmailUnavailable, GmailRefused, AnswerUnreadable, AnswerTooLarge, EndpointUnsafe.
    """
    endpoint = require_safe(config.directory_endpoint).rstrip("/")
    transport = Transport(config)
    users: list[DirectoryUser] = []
    page_token = ""
    try:
        for _ in range(_MOST_PAGES):
            query = {"domain": domain, "maxResults": _PAGE, "orderBy": "email"}
            if page_token:
                query["pageToken"] = page_token
            answer = transport.send(Call("GET", f"{endpoint}/admin/directory/v1/users?{urlencode(query)}"), token)
            if answer.fault is not None:
                raise answer.fault
            if answer.status != 200:
                raise classify(answer.status, answer.body, answer.headers, datetime.now(UTC))
            found, page_token = documents.read(answer.body, _page)
            users += found
            if not page_token:
                return sorted(users, key=lambda user: user.email)
    finally:
        transport.close()
    raise AnswerUnreadable(f"the directory has no end after {_MOST_PAGES} pages")


def _page(document: dict[str, Any]) -> tuple[list[DirectoryUser], str]:
    users = []
    for item in document.get("users", []):
        email = item["primaryEmail"]
        if not isinstance(email, str) or "@" not in email or len(email) > 320 or not email.isprintable():
            raise AnswerUnreadable("a user of the directory has no address")
        users.append(DirectoryUser(email.lower(), not (item.get("suspended") or item.get("archived"))))
    token = document.get("nextPageToken") or ""
    if not isinstance(token, str):
        raise AnswerUnreadable("the directory's page token is not text")
    return users, token
