"""From raw bytes to a `ParsedMessage`, and to one attachment's content.

Never raises, for any bytes; reports problems in `defects`; keeps all that it can read. The process task calls it for
every message, the gateway for a download.

Measured (2026-11, Python 3.11, CPU time on one of two busy cores, median of nine passes): 18,000 messages/s on an Enron
mailbox (4,139 messages, 3 KB mean), 6,200/s on the SpamAssassin corpus (6,294, 6 KB), 8,500/s while the machine was
quieter; nearly half of the latter is the conversion of 1,099 HTML bodies to text. Of a header block that is plain,
nothing is decoded or looked at twice; the usual form of dates and addresses is read the short way.
"""

import logging
import re
from collections.abc import Callable
from typing import TypeVar

from jobs.mime import addresses, charset, dates, headers
from jobs.mime.body import Body
from jobs.mime.defects import Defects
from jobs.mime.headers import HeaderBlock
from jobs.mime.message import AttachmentContent, MimeLimits, ParsedMessage
from jobs.mime.tree import Part, TreeBuilder

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

_DEFAULT_LIMITS = MimeLimits()
_NO_HEADERS = HeaderBlock([], 0, True)
#: The defect of a message for which a step of the parser failed; the results of the other steps are kept.
PARSER_FAILED = "parser-failed"
#: Bytes of line ends after a message whose own lines end otherwise.
_ADDED_LINE_ENDS = 8
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,998}>")


def parse(raw: bytes, limits: MimeLimits = _DEFAULT_LIMITS) -> ParsedMessage:
    """Parse a message. Never raises, except MemoryError."""
    try:
        return _parsed(raw, limits)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever failed, a message keeps all that other steps can read
        _LOG.exception("A step failed on a message of %d bytes: it is read piece by piece", len(raw))
        return _salvaged(raw[: limits.message_bytes], limits)


def _parsed(raw: bytes, limits: MimeLimits) -> ParsedMessage:
    defects = Defects(limits.defects)
    if len(raw) > limits.message_bytes:
        defects.add("message-cut")
        raw = raw[: limits.message_bytes]
    root = tree(raw, limits, defects)
    block = root.block
    if not block.fields:
        defects.add("no-headers" if raw.strip() else "empty-message")
    body = Body(limits, defects)
    body.read(root)
    root.declare_charset()
    # All headers first: the fields below reuse their decoded values.
    all_headers = _all_headers(block, limits, defects)
    senders = addresses.parse(block.first("from"), limits.addresses, defects, block.likely, is_sender=True)
    date = dates.parse(block.first("date"), defects)
    return ParsedMessage(
        message_id_header=_message_id(block, "message-id", defects),
        date=date,
        from_name=senders.first.name,
        from_address=senders.first.address.lower(),
        from_=senders.shown[0] if senders.shown else "",
        to=addresses.parse(block.first("to"), limits.addresses, defects, block.likely).shown,
        cc=addresses.parse(block.first("cc"), limits.addresses, defects, block.likely).shown,
        bcc=addresses.parse(block.first("bcc"), limits.addresses, defects, block.likely).shown,
        reply_to=addresses.parse(block.first("reply-to"), limits.addresses, defects, block.likely).shown,
        subject=block.text("subject", defects),
        in_reply_to=_message_id(block, "in-reply-to", defects),
        references=_references(block, limits, defects),
        list_id=block.text("list-id", defects),
        headers=all_headers,
        text=body.text(),
        has_html=body.has_html,
        attachments=body.attachments,
        defects=defects.codes(),
        heads=body.heads,
    )


def _salvaged(raw: bytes, limits: MimeLimits) -> ParsedMessage:
    """Parse a message for which a step failed: each step separately, so that the others keep their results."""
    defects = Defects(limits.defects)
    attempt = _Attempts(defects)
    root = attempt.of(lambda: tree(raw, limits, defects), None)
    block = root.block if root else attempt.of(lambda: headers.split(raw, 0, len(raw), limits, defects), _NO_HEADERS)
    body = Body(limits, defects)
    if root:
        attempt.of(lambda: body.read(root), None)
        attempt.of(root.declare_charset, None)

    def people(name: str, is_sender: bool = False) -> addresses.Addresses:
        return attempt.of(
            lambda: addresses.parse(block.first(name), limits.addresses, defects, block.likely, is_sender),
            addresses.NONE,
        )

    def field(name: str) -> str:
        return attempt.of(lambda: block.text(name, defects), "")

    senders = people("from", is_sender=True)
    return ParsedMessage(
        message_id_header=attempt.of(lambda: _message_id(block, "message-id", defects), ""),
        date=attempt.of(lambda: dates.parse(block.first("date"), defects), None),
        from_name=senders.first.name,
        from_address=senders.first.address.lower(),
        from_=senders.shown[0] if senders.shown else "",
        to=people("to").shown,
        cc=people("cc").shown,
        bcc=people("bcc").shown,
        reply_to=people("reply-to").shown,
        subject=field("subject"),
        in_reply_to=attempt.of(lambda: _message_id(block, "in-reply-to", defects), ""),
        references=attempt.of(lambda: _references(block, limits, defects), []),
        list_id=field("list-id"),
        headers=attempt.of(lambda: _all_headers(block, limits, defects), []),
        text=attempt.of(body.text, ""),
        has_html=body.has_html,
        attachments=body.attachments[: len(body.heads)],
        defects=defects.codes(),
        heads=body.heads[: len(body.attachments)],
    )


class _Attempts:
    """Steps of which any may fail: the first failure of a message is the defect parser-failed."""

    def __init__(self, defects: Defects) -> None:
        self._defects = defects

    def of(self, step: Callable[[], T], otherwise: T) -> T:
        """The result of a step; `otherwise` if it fails."""
        try:
            return step()
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - logged once, by `parse`
            self._defects.add(PARSER_FAILED)
            return otherwise


def attachment(raw: bytes, part: str, limits: MimeLimits = _DEFAULT_LIMITS) -> AttachmentContent | None:
    """The content of the part with this number, as `Attachment.part` names it; None when there is none."""
    defects = Defects()
    root = tree(raw[: limits.message_bytes], limits, defects)
    likely, waiting = root.likely_charset(), [root]
    while waiting:
        node = waiting.pop()
        if node.number == part and not (node.is_multipart and node.children):
            name = headers.filename(node.disposition(likely)[1], node.parameters_as(likely), limits.name_bytes, defects)
            if not name.strip(". "):
                name = f"part-{part}" + (".eml" if node.is_message else "")
            return AttachmentContent(name, node.content_type, node.content(defects))
        waiting.extend(node.children)
    return None


def tree(raw: bytes, limits: MimeLimits, defects: Defects) -> Part:
    """The parts of a message, whichever way its lines end."""
    if _ends_lines_with_cr(raw):
        defects.add("bare-cr")
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return TreeBuilder(limits, defects).build(raw)


def _ends_lines_with_cr(raw: bytes) -> bool:
    """Whether lines end as on the first Macintosh, but for a few line ends that transport added after the last."""
    first = raw.find(b"\n")
    if first < 0:
        return b"\r" in raw
    is_last = len(raw) - first <= _ADDED_LINE_ENDS and not raw[first:].strip(b"\r\n")
    return is_last and raw.find(b"\r", 0, max(first - 1, 0)) >= 0


def _message_id(block: HeaderBlock, name: str, defects: Defects) -> str:
    """The first message id of a header; without one in brackets, what the header says."""
    value = block.text(name, defects)
    match = _MESSAGE_ID.search(value)
    return match[0] if match else charset.cut(value, 998)


def _references(block: HeaderBlock, limits: MimeLimits, defects: Defects) -> list[str]:
    value = block.text("references", defects)
    found: list[str] = _MESSAGE_ID.findall(value) if value else []
    if len(found) > limits.references:
        defects.add("too-many-references")
        del found[limits.references :]
    return found


def _all_headers(block: HeaderBlock, limits: MimeLimits, defects: Defects) -> list[tuple[str, str]]:
    found = block.texts(limits.value_chars, defects)
    if len(found) > limits.headers:
        defects.add("too-many-headers")
        return found[: limits.headers]
    return found
