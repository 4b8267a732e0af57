"""Evidence in one message that its writer and its receiver know each other.

The mailbox knows more (who was answered, how often); an analyser sees one message only.
"""

from jobs.analysis.authenticity import warnings_of
from jobs.analysis.automatic import kind_and_reason
from jobs.analysis.mail import Mail
from jobs.analysis.relations import relations
from jobs.analysis.spam import LIKELY, spam_score


def kind_of_writer(mail: Mail) -> str:
    """The kind of `Automatic`, and "bulk" for mail of a list. Ask for it by `mail.once`."""
    return "bulk" if mail.message.list_id else mail.once(kind_and_reason)[0]


def evidence(mail: Mail) -> list[str]:
    """Reasons to assume that a person wrote to somebody known; empty: none, or reasons against it. By `mail.once`.

    Mail with a warning, mail that reads like spam and mail of programs has none: all signs can be forged.
    """
    if mail.once(kind_of_writer) != "human" or mail.once(spam_score) >= LIKELY or mail.once(warnings_of):
        return []
    return mail.once(relations)
