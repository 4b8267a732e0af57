"""What a restore has to do: which of the selected messages the target has already, and how others will differ. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from jobs.gmail.writes import LARGEST_BYTES
from jobs.mime.dates import parse
from jobs.mime.defects import Defects
from jobs.mime.headers import split
from jobs.mime.message import MimeLimits
from storage.control.restore_records import RestoreMessage

_LIMITS = MimeLimits()
_MESSAGE_ID = re.compile(r"<([^<>\s\"]{1,900})>")
#: Header fields, and among them those of the date; lines end with a bare newline.
_FIELDS = re.compile(rb"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*")
_DATE = re.compile(rb"^date:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)
#: Labels that Gmail gives by itself and that nobody can put on or take off later.
_FIXED = frozenset({"SENT", "DRAFT", "CHAT"})


@dataclass(frozen=True, slots=True)
class TargetMessage:
    """A message that the target mailbox has: SHA-256 of its bytes, its thread, and ids of its labels there."""

    sha256: bytes
    thread_id: int
    labels: frozenset[str] = frozenset()


def planned(
    selected: Iterable[RestoreMessage],
    held: Mapping[int, TargetMessage],
    same_mailbox: bool,
    relabel: bool,
    earlier: Mapping[int, Sequence[int]] | None = None,
) -> list[RestoreMessage]:
    """The selected messages with their states: pending, present, relabel (present, but labels are to be compared), or
    failed (Gmail does not take it). Oldest first, each thread in its order.

    A message of the target stands for one selected message at most, so two messages with equal bytes come back as two.

    Args:
        held: by id, what the target mailbox has now.
        same_mailbox: the archive is the target's own: ids and threads of both are the same.
        earlier: what restores have imported of it, by ids of the archive: Gmail may have changed its bytes.
    """
    ordered = sorted(selected, key=lambda message: (message.received_at, message.message_id))
    own = {message.message_id: message.message_id for message in ordered if same_mailbox and message.message_id in held}
    claimed = set(own.values())
    for message in ordered:
        for new_id in (earlier or {}).get(message.message_id, ()):
            if message.message_id not in own and new_id in held and new_id not in claimed:
                own[message.message_id] = new_id
                claimed.add(new_id)
    free: dict[bytes, list[int]] = defaultdict(list)
    for message_id, has in sorted(held.items(), reverse=True):
        if message_id not in claimed:
            free[has.sha256].append(message_id)
    result = []
    for position, message in enumerate(ordered):
        known = own.get(message.message_id)
        if known is None and free[message.sha256]:
            known = free[message.sha256].pop()
        if known is not None:
            state, there = "relabel" if relabel else "present", held[known].thread_id
            message = replace(message, state=state, new_id=known, new_thread=there)
        elif message.size_bytes > LARGEST_BYTES:
            reason = f"Gmail imports {LARGEST_BYTES} bytes at most, and it has {message.size_bytes}"
            message = replace(message, state="failed", detail=reason)
        result.append(replace(message, position=position))
    return result


def threads_of(
    messages: Iterable[RestoreMessage], held: Mapping[int, TargetMessage], same_mailbox: bool
) -> dict[int, int]:
    """Threads of the archive -> those of the target mailbox, as far as messages of them are there."""
    threads = {has.thread_id: has.thread_id for has in held.values()} if same_mailbox else {}
    for message in messages:
        if message.new_thread is not None:
            threads.setdefault(message.thread_id, message.new_thread)
    return threads


def difference(raw: bytes, received_at: datetime) -> str | None:
    """How the date of a message will differ: Gmail dates what it imports by its Date header, and by nothing else."""
    found = split(raw, 0, len(raw), _LIMITS, Defects()).first("date")
    dated = parse(found, Defects()) if found else None
    if dated is None:
        return f"no readable Date header: Gmail dates it by its return instead of {_shown(received_at)}"
    if abs((dated - received_at).total_seconds()) < 1:
        return None
    return f"dated {_shown(dated)} by its Date header instead of {_shown(received_at)}"


def rfc822_message_id(raw: bytes) -> str | None:
    """The Message-ID of a message, without its brackets, if Gmail can be asked for it."""
    found = _MESSAGE_ID.search(split(raw, 0, len(raw), _LIMITS, Defects()).first("message-id"))
    return found[1] if found and found[1].isascii() else None


def likeness(original: bytes, found: bytes) -> int | None:
    """How surely a message of Gmail is an import of `original`: 0: the same bytes; 1: with header fields before it, or
    another Date; 2: with the same Message-ID and body; None: it is another message.

    Gmail may put trace fields before what it imports, and write a Date.
    """
    if original == found:
        return 0
    wanted, there = original.replace(b"\r\n", b"\n"), found.replace(b"\r\n", b"\n")
    undated, whole = _undated(wanted), _undated(there)
    if undated and whole.endswith(undated) and _FIELDS.fullmatch(whole, 0, len(whole) - len(undated)):
        return 1
    same = rfc822_message_id(original) is not None and rfc822_message_id(original) == rfc822_message_id(found)
    return 2 if same and _body(wanted) == _body(there) else None


def _undated(raw: bytes) -> bytes:
    """A message with bare newlines, without its Date fields."""
    body = _body(raw)
    head = raw[: len(raw) - len(body)]
    return _DATE.sub(b"", head) + body


def _body(raw: bytes) -> bytes:
    """What comes after the first blank line."""
    if raw.startswith(b"\n"):
        return raw[1:]
    return raw.partition(b"\n\n")[2]


def label_change(wanted: Iterable[str], has: Iterable[str]) -> tuple[list[str], list[str]]:
    """Labels to put on a message of the target and to take off it."""
    want, have = set(wanted) - _FIXED, set(has) - _FIXED
    return sorted(want - have), sorted(have - want)


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
