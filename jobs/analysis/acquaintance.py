"""Evidence in one message that its writer and its receiver know each other.

The mailbox knows more (who was answered, how often): storage/mailbox/acquaintance.py asks it where results are read. An
analyser sees one message only, and states what follows if the mailbox has evidence.
"""

from jobs.analysis.authenticity import warnings_of
from jobs.analysis.automatic import kind_and_reason
from jobs.analysis.domains import registered
from jobs.analysis.mail import Mail
from jobs.analysis.relations import FREE, relations
from jobs.analysis.spam import LIKELY, spam_score


def kind_of_writer(mail: Mail) -> str:
    """The kind of `Automatic`, and "bulk" for mail of a list. Ask for it by `mail.once`."""
    return "bulk" if mail.message.list_id else mail.once(kind_and_reason)[0]


def may_be_known(mail: Mail) -> bool:
    """Whether the writer may be somebody whom the receiver knows. By `mail.once`.

    Writers of mail with a warning or that reads like spam, and programs, are not: all signs can be forged.
    """
    return mail.once(kind_of_writer) == "human" and mail.once(spam_score) < LIKELY and not mail.once(warnings_of)


def evidence(mail: Mail) -> list[str]:
    """Reasons to assume that a person wrote to somebody known; empty: none, or reasons against it. By `mail.once`."""
    return mail.once(relations) if mail.once(may_be_known) else []


def category_if_known(mail: Mail) -> str | None:
    """The category if the mailbox shows that the people know each other; None: the writer cannot be known."""
    if not mail.once(may_be_known) or "@" not in mail.message.from_address:
        return None
    return "personal" if registered(mail.message.from_address.rpartition("@")[2]) in FREE else "work"
