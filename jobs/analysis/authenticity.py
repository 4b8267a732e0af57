"""Whether a message comes from its alleged sender, according to the receiver's records.

Only the topmost Authentication-Results header counts (RFC 8601): the receiver adds its own at the top, and the sender
may have forged the others. Nothing is verified again: keys and DNS records no longer exist years later.
"""

import re

import pyarrow as pa

from jobs.analysis.lookalikes import WELL_KNOWN, lookalike
from jobs.analysis.mail import Mail

_MOST_CHARS = 4_000
_RESULTS = frozenset({"none", "pass", "fail", "softfail", "policy", "neutral", "temperror", "permerror"})
_METHOD = re.compile(r"(?:^|;)\s*(spf|dkim|dmarc)\s*(?:/\s*1\s*)?=\s*([a-z]+)", re.I)
_QUOTED = re.compile(r'"[^"]*"')
_IN_COMMENT = re.compile(r"\([^()]*\)")
_ADDRESS = re.compile(r"@([^\s@<>\"]{1,255})>?\s*\Z")
_DOMAIN_IN_NAME = re.compile(r"(?:@|\b)((?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,10})\b", re.I)
_FIRST_WORD = re.compile(r"\W{0,5}(?:Your )?([^\W_]{4,20})\b", re.I)


class Authenticity:
    """A result for every message; a field is "" when the receiver recorded none."""

    name = "authenticity"
    version = 2  # 2: the sender is what stands in brackets
    fields = (
        ("spf", pa.string()),  # results of RFC 8601: none, pass, fail, softfail, policy, neutral, temperror, permerror
        ("dkim", pa.string()),  # pass when one signature passes, else the first result
        ("dmarc", pa.string()),
        ("recorded_by", pa.string()),  # the receiver that recorded them: the authserv-id, in lower case
        ("from_domain", pa.string()),  # in lower case
        ("reply_to_differs", pa.bool_()),  # Reply-To is in another registered domain than the sender
        ("lookalike_of", pa.string()),  # the well-known name that the sender's domain imitates
        ("name_differs", pa.bool_()),  # the display name contains an address or begins with a name of another domain
    )

    def analyse(self, mail: Mail) -> tuple[object, ...]:
        message = mail.message
        domain = message.from_address.rpartition("@")[2][:255].rstrip(".") if "@" in message.from_address else ""
        results, recorded_by = _recorded(mail.header("authentication-results")[:_MOST_CHARS])
        spf = results.get("spf", "") or _received_spf(mail.header("received-spf"))
        return (
            spf,
            results.get("dkim", ""),
            results.get("dmarc", ""),
            recorded_by,
            domain,
            _replies_elsewhere(mail, domain),
            lookalike(domain),
            _name_differs(message.from_name[:200], domain),
        )


def _recorded(header: str) -> tuple[dict[str, str], str]:
    if not header:
        return {}, ""
    plain = _QUOTED.sub("", header)
    for _ in range(3):  # comments nest
        if "(" not in plain:
            break
        plain = _IN_COMMENT.sub(" ", plain)
    results: dict[str, str] = {}
    server, _, rest = plain.partition(";")
    for method, result in _METHOD.findall(";" + rest):
        name, outcome = method.lower(), result.lower()
        outcome = "fail" if outcome == "hardfail" else outcome
        if outcome in _RESULTS and (name not in results or (name == "dkim" and outcome == "pass")):
            results[name] = outcome
    return results, (server.split(maxsplit=1) or [""])[0].lower()[:255]


def _received_spf(header: str) -> str:
    """The result of RFC 7208, 9.1, which is the first word."""
    words = header[:100].split(maxsplit=1)
    word = words[0].lower() if words else ""
    return word if word in _RESULTS else ""


def _replies_elsewhere(mail: Mail, domain: str) -> bool:
    if not domain or not mail.message.reply_to or mail.message.list_id:
        return False
    for shown in mail.message.reply_to[:20]:
        match = _ADDRESS.search(shown[-300:])
        if match and registered(match[1].lower()) != registered(domain):
            return True
    return False


def registered(domain: str) -> str:
    """The registered part of a domain, approximately: two labels, three below short second levels such as co.uk."""
    labels = domain.rstrip(".").split(".")
    short = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in ("co", "com", "org", "net", "ac", "gov", "edu")
    return ".".join(labels[-3:] if short else labels[-2:])


def _name_differs(name: str, domain: str) -> bool:
    if not name or not domain:
        return False
    if "." in name:
        for shown in _DOMAIN_IN_NAME.findall(name):
            if "@" + shown in name and registered(shown.lower()) != registered(domain):
                return True
    first = _FIRST_WORD.match(name)  # "PayPal Service"; later words may be part of a sentence
    return first is not None and first[1].lower() in WELL_KNOWN and first[1].lower() not in domain
