"""Whether a program wrote a message, and whether it went to many."""

import re

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail

_NO_REPLY = re.compile(
    r"^(?:no[._-]?reply|do[._-]?not[._-]?reply|notifications?|alerts?|mailer-daemon|postmaster|bounces?|automated"
    r"|root|daemon|cron|news(?:letter)?s?|updates?|info|support|marketing)\b"
)
_PROGRAMS = frozenset({"mailer-daemon", "postmaster", "bounce", "bounces", "root", "daemon", "cron", "automated"})
_BULK = frozenset({"bulk", "list", "junk"})
#: Headers that only senders of campaigns write.
_CAMPAIGN = frozenset(
    ("feedback-id", "x-campaign", "x-mailgun-sid", "x-sg-eid", "x-mc-user", "x-ses-outgoing", "x-csa-complaints")
)
_REPLIES = frozenset(("x-autoreply", "x-autorespond", "x-auto-response-suppress", "x-failed-recipients"))


class Automatic:
    """Programs and bulk, with the reasons, by what RFC 3834, 2369 and 2919 and common practice put into headers."""

    name, version = "automatic", 1
    fields: tuple[Field, ...] = (
        ("automatic", pa.bool_()),  # no person wrote it for its reader
        ("bulk", pa.bool_()),  # it went to many
        ("reasons", pa.list_(pa.string())),
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(automatic, bulk, reasons)."""
        program, bulk = _program(mail), _bulk(mail)
        local = mail.message.from_address.partition("@")[0]
        if found := _NO_REPLY.match(local):
            (
                program if found[0] in _PROGRAMS or "reply" in found[0] or found[0] in ("alert", "alerts") else bulk
            ).append(f"from {found[0]}")
        discussed = mail.message.in_reply_to and mail.message.list_id and not program
        automatic = bool(program) or (bool(bulk) and not discussed)
        return automatic, bool(bulk), [*program, *bulk]


def _program(mail: Mail) -> list[str]:
    reasons = []
    if (submitted := mail.header("auto-submitted").lower()) and not submitted.startswith("no"):
        reasons.append("auto-submitted")
    if not _REPLIES.isdisjoint(mail.header_names):
        reasons.append("automatic reply")
    if mail.header("return-path").strip() == "<>":
        reasons.append("empty return-path")
    if mail.header("content-type").lower().startswith("multipart/report"):
        reasons.append("report")
    return reasons


def _bulk(mail: Mail) -> list[str]:
    reasons = []
    if mail.header("precedence").strip().lower() in _BULK:
        reasons.append("precedence")
    if mail.message.list_id:
        reasons.append("list-id")
    if mail.headers("list-unsubscribe"):
        reasons.append("list-unsubscribe")
    if not _CAMPAIGN.isdisjoint(mail.header_names):
        reasons.append("campaign")
    return reasons
