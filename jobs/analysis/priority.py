"""The priority of a message for its receiver, with the reasons."""

import re
from collections.abc import Iterator

import pyarrow as pa

from jobs.analysis.acquaintance import evidence, kind_of_writer, may_be_known
from jobs.analysis.analyser import Field
from jobs.analysis.authenticity import warnings_of
from jobs.analysis.mail import Mail
from jobs.analysis.spam import LIKELY, spam_score
from jobs.analysis.words import listed

_URGENT = listed("urgent")
_QUESTION = re.compile(r"\?(?:\s|$)")
_FEW = 3
_HIGH, _LOW = 3, 0


class Priority:
    """low, normal, high or null, by points: a reason with a plus adds one, a reason with a minus subtracts some.

    Urgent words of an unknown writer are no evidence: `high` and `normal` need a reason to assume that the people know
    each other (`acquaintance.py`), which mail with a warning and mail that reads like spam never has.
    """

    name, version = "priority", 4  # 2: null without evidence, low with a warning; 3: who decided; 4: points
    fields: tuple[Field, ...] = (
        ("level", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("source", pa.string()),  # rules, none; where results are read, gmail, mailbox and owner
        ("points", pa.int16()),  # without evidence in the message; null: the writer cannot be known to the receiver
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(level, reasons, source, points); of a null level the reasons that were weighed."""
        known, level = mail.once(evidence), None
        weighed = list(_reasons(mail))
        without = 1 + sum(more for more, _ in weighed)
        reasons = [*(f"+{reason}" for reason in known), *(f"{'+' if more > 0 else '-'}{why}" for more, why in weighed)]
        if known:
            points = without + len(known)
            level = "high" if points > _HIGH else "low" if points <= _LOW else "normal"
        else:
            level = "low" if any(reason[0] == "-" for reason in reasons) else None
        return level, reasons, "none" if level is None else "rules", without if mail.once(may_be_known) else None


def _reasons(mail: Mail) -> Iterator[tuple[int, str]]:
    if warnings := mail.once(warnings_of):
        yield -3, f"warning: {warnings[0].kind}"
    if mail.once(spam_score) >= LIKELY:
        yield -2, "reads like spam"
    kind = mail.once(kind_of_writer)
    if kind == "bulk":
        yield -2, "bulk"
    elif kind != "human":
        yield -1, "automatic"
    else:
        if 0 < len(mail.message.to) + len(mail.message.cc) <= _FEW:
            yield 1, "to few"
        if "?" in mail.body and _QUESTION.search(mail.body[:4000]):
            yield 1, "question"
        if not _URGENT.isdisjoint(mail.distinct_words):
            yield 1, "urgent words"
    importance = mail.header("importance").strip().lower() or mail.header("x-priority").strip()[:1]
    if importance in ("high", "1", "2") and kind != "bulk":
        yield 1, "marked important"
    elif importance in ("low", "4", "5"):
        yield -1, "marked unimportant"
