"""The priority of a message for its receiver, with the reasons."""

import re

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.automatic import Automatic
from jobs.analysis.mail import Mail
from jobs.analysis.words import listed

_URGENT = listed("urgent")
_QUESTION = re.compile(r"\?(?:\s|$)")
_FEW = 3
_HIGH, _LOW = 3, 0
_automatic = Automatic()


class Priority:
    """low, normal or high by points: a reason with a plus adds one, a reason with a minus subtracts one or two."""

    name, version = "priority", 1
    fields: tuple[Field, ...] = (("level", pa.string()), ("reasons", pa.list_(pa.string())))

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(level, reasons)."""
        points, reasons = 1, []

        def because(reason: str, more: int) -> None:
            nonlocal points
            points += more
            reasons.append(f"{'+' if more > 0 else '-'}{reason}")

        automatic, kind, _ = _automatic.analyse(mail)
        bulk = kind == "bulk" or bool(mail.message.list_id)
        if bulk:
            because("bulk", -2)
        elif automatic:
            because("automatic", -1)
        else:
            people = len(mail.message.to) + len(mail.message.cc)
            if 0 < people <= _FEW:
                because("to few", 1)
            if mail.message.in_reply_to:
                because("answer", 1)
            if "?" in mail.body and _QUESTION.search(mail.body[:4000]):
                because("question", 1)
            if not _URGENT.isdisjoint(mail.words[:300]):
                because("urgent words", 1)
        importance = mail.header("importance").strip().lower() or mail.header("x-priority").strip()[:1]
        if importance in ("high", "1", "2") and not bulk:
            because("marked important", 1)
        elif importance in ("low", "4", "5"):
            because("marked unimportant", -1)
        level = "high" if points >= _HIGH else "low" if points <= _LOW else "normal"
        return level, reasons
