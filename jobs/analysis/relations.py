"""Signs in a message's headers that its writer and its receiver know each other; all of them can be forged."""

from jobs.analysis.authenticity import sender_domain
from jobs.analysis.domains import registered
from jobs.analysis.mail import Mail
from jobs.analysis.words import listed

#: Domains whose users do not know each other.
FREE = listed("free_mail_domains")
_MOST = 50


def relations(mail: Mail) -> list[str]:
    """The signs: answer, same domain. Ask for them by `mail.once(relations)`."""
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
