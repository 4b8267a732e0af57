"""One Gmail call, taken apart: what every handler is given. No I/O."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from cluster.simulator.answers import invalid, not_found
from cluster.simulator.mailbox import Mailbox, Message

Params = dict[str, list[str]]


class HttpCall(NamedTuple):
    """A request as it came, alone or inside a batch."""

    method: str
    target: str  # path and query
    authorization: str = ""
    content_type: str = ""
    body: bytes = b""
    content_range: str = ""  # of a part of a resumable upload
    upload_length: str = ""  # of the start of one


class Call(NamedTuple):
    """A request to one mailbox, after routing and authentication."""

    mailbox: Mailbox
    ids: tuple[str, ...]  # those in the path, in order
    params: Params
    content_type: str
    body: bytes
    now: float  # seconds since 1970
    empty_history_pages: bool = False
    lag_from: int | None = None  # history records after this one are held back

    def text(self, name: str, default: str = "") -> str:
        return self.params[name][-1] if name in self.params else default

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in ("true", "1")

    def page_size(self, default: int) -> int:
        """`maxResults`, at most 500 as at Google."""
        return min(self.number("maxResults", default) or default, 500)

    def number(self, name: str, default: int | None = None) -> int:
        """Raises GoogleError 400 if it is no whole number, or absent without a default."""
        if name not in self.params and default is not None:
            return default
        number = whole(self.text(name))
        if number is None:
            raise invalid(f"Invalid value at '{name}': a whole number is required")
        return number

    def names(self, name: str) -> list[str]:
        """A repeated parameter; commas are not separators at Gmail."""
        return self.params.get(name, [])

    def message(self) -> Message:
        message = self.mailbox.messages.get(self.ids[0])
        if message is None:
            raise missing(self.ids[0])
        return message

    def json(self) -> Mapping[str, Any]:
        try:
            document = orjson.loads(self.body) if self.body else {}
        except orjson.JSONDecodeError as exc:
            raise invalid("Invalid JSON payload received.") from exc
        if not isinstance(document, dict):
            raise invalid("Invalid JSON payload received.")
        return document


def whole(text: str) -> int | None:
    """A number that a client may send: at most 64 bits."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def missing(message_id: str) -> Exception:
    """Google tells an unknown id (404) from what cannot be one (400)."""
    try:
        int(message_id, 16)
    except ValueError:
        return invalid("Invalid id value")
    return not_found() if len(message_id) <= 16 else invalid("Invalid id value")


def parse_params(query: str) -> Params:
    if not query:
        return {}
    if "%" in query or "+" in query or ";" in query:
        return parse_qs(query, keep_blank_values=True)
    params: Params = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        params.setdefault(name, []).append(value)
    return params
