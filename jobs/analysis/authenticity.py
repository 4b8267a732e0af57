"""Whether a message comes from its alleged sender: the receiver's records, and warnings with their evidence."""

import re

import pyarrow as pa

from jobs.analysis import receiverresults, warningsigns
from jobs.analysis.domains import registered
from jobs.analysis.lookalikes import lookalike
from jobs.analysis.mail import Mail
from jobs.analysis.receiverresults import Results
from jobs.analysis.warningsigns import Sign

_ADDRESS = re.compile(r"@([^\s@<>\"]{1,255})>?\s*\Z")
_SHOWN_FOREIGN = ("known_name", "address_in_name")


class Authenticity:
    """A result for every message; spf, dkim and dmarc are "absent" when the receiver recorded none."""

    name = "authenticity"
    # 2: the sender is what stands in brackets; 3: warnings, and the results of receivers without a name; 4: Junk of
    # Microsoft's filter, and ARC of known forwarders only
    version = 4
    fields = (
        # results of RFC 8601: none, pass, fail, softfail, policy, neutral, temperror, permerror; or absent
        ("spf", pa.string()),
        ("dkim", pa.string()),  # pass when one signature passes, else the first result
        ("dmarc", pa.string()),
        ("recorded_by", pa.string()),  # the receiver that recorded them, in lower case; "" when it is not known
        ("from_domain", pa.string()),  # in lower case
        ("reply_to_differs", pa.bool_()),  # Reply-To is in another registered domain than the sender
        ("lookalike_of", pa.string()),  # the well-known name that the sender's domain imitates
        ("name_differs", pa.bool_()),  # the display name contains an address or a well-known name of another domain
        ("warnings", pa.list_(pa.struct([("kind", pa.string()), ("evidence", pa.string())]))),  # warningsigns.KINDS
    )

    def analyse(self, mail: Mail) -> tuple[object, ...]:
        domain = sender_domain(mail)
        results = mail.once(receiverresults.read)
        signs = mail.once(warnings_of)
        return (
            results.spf,
            results.dkim,
            results.dmarc,
            results.recorded_by,
            domain,
            _replies_elsewhere(mail, domain),
            lookalike(domain),
            any(sign.kind in _SHOWN_FOREIGN for sign in signs),
            [sign._asdict() for sign in signs],
        )


def sender_domain(mail: Mail) -> str:
    """The domain of the sender's address, in lower case; "" without one."""
    address = mail.message.from_address
    return address.rpartition("@")[2][:255].rstrip(".") if "@" in address else ""


def warnings_of(mail: Mail) -> list[Sign]:
    """The warnings of a message. Ask for them by `mail.once(warnings_of)`."""
    results: Results = mail.once(receiverresults.read)
    return warningsigns.found(mail, sender_domain(mail), results)


def _replies_elsewhere(mail: Mail, domain: str) -> bool:
    if not domain or not mail.message.reply_to or mail.message.list_id:
        return False
    for shown in mail.message.reply_to[:20]:
        match = _ADDRESS.search(shown[-300:])
        if match and registered(match[1].lower()) != registered(domain):
            return True
    return False
