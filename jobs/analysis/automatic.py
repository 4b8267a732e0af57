"""Whether a person or a program wrote a message, and the evidence.

Declarations of the sender come first: Auto-Submitted (RFC 3834), then reports (RFC 6522), then Precedence and the
headers of lists and bulk senders, then the address. Without evidence, a person is assumed.
"""

import re

import pyarrow as pa

from jobs.analysis.mail import Mail

#: Local parts of unattended addresses: the whole local part, or a piece of it between punctuation.
_NO_REPLY = re.compile(
    r"(?:.*[._+-])?(?:no-?_?\.?reply|do-?_?\.?not-?_?\.?reply|noreply|donotreply|mailer-?daemon|postmaster|notifications?|"
    r"notify|alerts?|automated?|auto-?confirm|bounces?|newsletters?|robot|daemon)(?:[._+-].*)?"
)
_BULK = ("feedback-id", "x-campaign", "x-campaignid", "x-mailgun-sid", "x-sg-eid", "x-ses-outgoing", "x-csa-complaints")
_REPLY = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply-from")
_AWAY = re.compile(
    r"\s*(?:re: *)?(?:out of (?:the )?office|automatic reply|auto(?:matic)? ?-?repl|abwesenheits|réponse automatique)",
    re.I,
)


class Automatic:
    """`kind` is human, reply (automatic reply to a message), report (of delivery), bulk (one text to many) or
    generated; `reason` is the header or the part of the message that is the evidence."""

    name = "automatic"
    version = 1
    fields = (
        ("automatic", pa.bool_()),
        ("kind", pa.string()),  # human, reply, report, bulk, generated
        ("reason", pa.string()),  # name of a header in lower case, "sender", "subject"; "" for human
    )

    def analyse(self, mail: Mail) -> tuple[object, ...]:
        kind, reason = mail.once(kind_and_reason)
        return kind != "human", kind, reason


def kind_and_reason(mail: Mail) -> tuple[str, str]:
    """The kind, and the evidence. Ask for it by `mail.once(kind_and_reason)`."""
    declared = mail.header("auto-submitted").strip().lower()[:100]
    if mail.header("content-type")[:40].strip().lower().startswith("multipart/report"):
        return "report", "content-type"
    if mail.header("return-path").strip() == "<>" and not declared:
        return "report", "return-path"
    if declared and not declared.startswith("no"):
        return ("reply" if declared.startswith("auto-replied") else "generated"), "auto-submitted"
    for name in _REPLY:
        if mail.headers(name):
            return "reply", name
    precedence = mail.header("precedence").strip().lower()[:20]
    if precedence == "auto_reply":
        return "reply", "precedence"
    if _AWAY.match(mail.message.subject[:200]):
        return "reply", "subject"
    return _sent_to_many(mail, precedence)


def _sent_to_many(mail: Mail, precedence: str) -> tuple[str, str]:
    """Discussion lists are excluded: there, only the sender shows whether a person wrote."""
    local = mail.message.from_address.partition("@")[0][:64]
    is_discussion = bool(mail.headers("list-post")) and mail.header("list-post").strip().lower()[:2] != "no"
    if _NO_REPLY.fullmatch(local):
        return ("bulk" if mail.headers("list-unsubscribe") else "generated"), "sender"
    if not is_discussion:
        for name in _BULK:
            if mail.headers(name):
                return "bulk", name
        if mail.headers("list-unsubscribe") and not mail.message.in_reply_to:
            return "bulk", "list-unsubscribe"
        if precedence in ("bulk", "junk") and not mail.message.in_reply_to and not mail.message.list_id:
            return "bulk", "precedence"
    return "human", ""
