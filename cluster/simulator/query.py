"""The part of Gmail's query language that `messages.list` understands here. No I/O.

    in:PLACE is:STATE label:NAME rfc822msgid:ID from:TEXT to:TEXT subject:TEXT after:DATE before:DATE
    larger:SIZE smaller:SIZE word, each with "-" before it for "not"

DATE is YYYY/MM/DD (UTC) or seconds since 1970; SIZE is bytes, or with K or M. A bare word is searched in the
subject and the snippet. Any other syntax gets 400, because the result of a misread query would be wrong.
"""

import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from cluster.simulator.answers import invalid
from cluster.simulator.headers import scan
from cluster.simulator.mailbox import Message, SimulatedMailbox
from cluster.simulator.snippet import snippet

Predicate = Callable[[Message], bool]

_SIZE = re.compile(r"(\d{1,15})([km]?)$", re.IGNORECASE)
_HIDDEN_PLACES = frozenset(("anywhere", "spam", "trash"))


class Query(NamedTuple):
    matches: Predicate
    reveals_hidden: bool  # names spam, trash or anywhere itself
    rfc822_message_id: str | None  # narrows the search to a thread


def parse_query(text: str, mailbox: SimulatedMailbox) -> Query:
    """Raises GoogleError 400 for unsupported syntax."""
    predicates: list[Predicate] = []
    reveals, wanted = False, None
    try:
        terms = shlex.split(text)
    except ValueError as exc:
        raise invalid(f"Invalid query: {exc}") from exc
    for term in terms:
        negated = term.startswith("-")
        name, colon, value = term.lstrip("-").partition(":")
        predicate = _operator(name.lower(), value, mailbox) if colon else _word(name)
        predicates.append(_not(predicate) if negated else predicate)
        if not negated and name.lower() in ("in", "label") and value.lower() in _HIDDEN_PLACES:
            reveals = True
        if not negated and name.lower() == "rfc822msgid":
            wanted = value
    return Query(lambda message: all(p(message) for p in predicates), reveals, wanted)


def _operator(name: str, value: str, mailbox: SimulatedMailbox) -> Predicate:
    if name == "in" and value.lower() == "anywhere":
        return lambda _: True
    if name == "is" and value.lower() == "read":
        return lambda message: "UNREAD" not in message.labels
    if name in ("in", "is", "label"):
        return _labelled(value, mailbox)
    if name == "rfc822msgid":
        wanted = value.strip("<> ").encode()
        return lambda message: scan(message.raw).message_id == wanted
    if name in ("from", "to", "subject"):
        return _header(name, value)
    if name in ("after", "before"):
        return _dated(name, value)
    if name in ("larger", "smaller"):
        return _sized(name, value)
    raise invalid(f"The simulator does not know the query operator {name}:")


def _labelled(value: str, mailbox: SimulatedMailbox) -> Predicate:
    lowered = value.lower()
    by_name = {label.lower().replace(" ", "-"): label_id for label_id, label in mailbox.labels.items()}
    label_id = by_name.get(lowered) or (value if value in mailbox.labels else lowered.upper())
    return lambda message: label_id in message.labels


def _header(name: str, value: str) -> Predicate:
    wanted = value.lower()

    def matches(message: Message) -> bool:
        headers = scan(message.raw)
        text = {"from": headers.sender, "to": headers.recipients, "subject": headers.subject}[name]
        return wanted in text.lower()

    return matches


def _dated(name: str, value: str) -> Predicate:
    try:
        if value.isdecimal():
            at_ms = int(value) * 1000
        else:
            day = datetime.strptime(value.replace("-", "/"), "%Y/%m/%d").replace(tzinfo=UTC)
            at_ms = int(day.timestamp()) * 1000
    except ValueError as exc:
        raise invalid(f"Invalid date in query: {value}") from exc
    if name == "after":
        return lambda message: message.internal_date_ms >= at_ms
    return lambda message: message.internal_date_ms < at_ms


def _sized(name: str, value: str) -> Predicate:
    match = _SIZE.match(value)
    if match is None:
        raise invalid(f"Invalid size in query: {value}")
    size_bytes = int(match[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[match[2].lower()]
    if name == "larger":
        return lambda message: len(message.raw) > size_bytes
    return lambda message: len(message.raw) < size_bytes


def _word(value: str) -> Predicate:
    wanted = value.lower()
    return lambda message: wanted in scan(message.raw).subject.lower() or wanted in snippet(message.raw).lower()


def _not(predicate: Predicate) -> Predicate:
    return lambda message: not predicate(message)
