"""Evidence in one message that its writer and its receiver know each other.

The mailbox knows more (who was answered, how often); an analyser sees one message only.
"""

from jobs.analysis.authenticity import sender_domain, warnings_of
from jobs.analysis.automatic import Automatic
from jobs.analysis.domains import registered
from jobs.analysis.mail import Mail
from jobs.analysis.spam import LIKELY, spam_score
from jobs.analysis.words import listed

FREE = listed("free_mail_domains")
_MOST = 50
_automatic = Automatic()


def kind_of_writer(mail: Mail) -> str:
    """The kind of `Automatic`, and "bulk" for mail of a list. Ask for it by `mail.once`."""
    kind = str(_automatic.analyse(mail)[1])
    return "bulk" if mail.message.list_id else kind


def evidence(mail: Mail) -> list[str]:
    """Reasons to assume that a person wrote to somebody known; empty: none, or reasons against it. By `mail.once`.

    Mail with a warning, mail that reads like spam and mail of programs has none: all signs here can be forged.
    """
    if mail.once(kind_of_writer) != "human" or mail.once(spam_score) >= LIKELY or mail.once(warnings_of):
        return []
    reasons = []
    if mail.message.in_reply_to:
        reasons.append("answer")
    domain = registered(sender_domain(mail))
    if domain and domain not in FREE and _written_to(mail, domain):
        reasons.append("same domain")
    return reasons


def _written_to(mail: Mail, domain: str) -> bool:
    """Whether another address of the domain is among the recipients: a forger writes to his victim in its own name."""
    sender = mail.message.from_address
    for shown in (*mail.message.to[:_MOST], *mail.message.cc[:_MOST]):
        address = shown.rpartition("<")[2].rstrip("> ").lower()
        if address != sender and registered(address.rpartition("@")[2]) == domain:
            return True
    return False
