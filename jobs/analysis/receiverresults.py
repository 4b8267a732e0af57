"""SPF, DKIM and DMARC as the receiver recorded them, in the forms of Gmail, Microsoft, Proofpoint, Yahoo and Exchange.

Only the topmost Authentication-Results header counts (RFC 8601): the receiver adds its own at the top, and the sender
may have forged the others. Without one, the topmost ARC-Authentication-Results (RFC 8617) counts, then Received-SPF
(RFC 7208) and Exchange's Sender ID. Nothing is verified again: keys and DNS records no longer exist years later.
"""

import re
from typing import NamedTuple

from jobs.analysis.domains import registered
from jobs.analysis.mail import Mail
from jobs.analysis.words import listed

#: The result of a method that the receiver did not record.
ABSENT = "absent"
_MOST_CHARS = 4_000
_RESULTS = frozenset({"none", "pass", "fail", "softfail", "policy", "neutral", "temperror", "permerror"})
#: Results outside RFC 8601 -> their meaning. bestguesspass: Microsoft found no DMARC record, the domains matched.
_MEANS = {"hardfail": "fail", "bestguesspass": "none", "unknown": "permerror", "error": "temperror"}
_METHOD = re.compile(r"(?:^|;)\s*(spf|dkim|dmarc|arc|compauth)\s*(?:/\s*1\s*)?=\s*([a-z]+)", re.I)
_QUOTED = re.compile(r'"[^"]*"')
_IN_COMMENT = re.compile(r"\([^()]*\)")
_INSTANCE = re.compile(r"\s*i\s*=\s*\d{1,3}\s*;")
_BY = re.compile(r"\bby\s+([A-Za-z0-9][A-Za-z0-9.-]{0,254})")
_SEALER = re.compile(r"(?:^|;)\s*d\s*=\s*([^\s;]{1,255})")
_SEALERS = listed("arc_sealers")
_MOST_SEALS = 50  # as many as RFC 8617 allows
_SENDER_ID = "x-ms-exchange-organization-senderidresult"


class Results(NamedTuple):
    """Results of RFC 8601, or ABSENT.

    dkim: pass when one signature passes, else the first result. composite: Microsoft's own conclusion. recorded_by: the
    authserv-id in lower case; without one (Microsoft) the host that received the message last; "" when unknown.
    forwarded: ARC passes, and all its sealers are known forwarders; a forger can seal a chain of his own.
    """

    spf: str
    dkim: str
    dmarc: str
    arc: str
    composite: str
    recorded_by: str
    forwarded: bool = False

    @property
    def recorded(self) -> bool:
        """Whether the receiver recorded any result."""
        return not self.spf == self.dkim == self.dmarc == ABSENT

    @property
    def passed(self) -> bool:
        """Whether the sender's domain is confirmed, by the receiver itself or by a forwarder that it trusts."""
        if self.dmarc == "pass" or self.forwarded:
            return True
        return self.dmarc != "fail" and self.composite != "fail" and "pass" in (self.spf, self.dkim)


def read(mail: Mail) -> Results:
    """The results that the topmost receiver recorded."""
    header = mail.header("authentication-results")
    if not header and (sealed := mail.header("arc-authentication-results")):
        header = _INSTANCE.sub("", sealed[:_MOST_CHARS], count=1)
    results, server = _recorded(header[:_MOST_CHARS])
    if results and not server:
        last = _BY.search(mail.header("received")[:_MOST_CHARS])
        server = last[1].lower() if last else ""
    spf = results.get("spf") or _first_word(mail.header("received-spf")) or _first_word(mail.header(_SENDER_ID))
    return Results(
        spf or ABSENT,
        results.get("dkim", ABSENT),
        results.get("dmarc", ABSENT),
        results.get("arc", ABSENT),
        results.get("compauth", ABSENT),
        server,
        results.get("arc") == "pass" and _is_sealed_by_known(mail),
    )


def _is_sealed_by_known(mail: Mail) -> bool:
    """Whether the ARC-Seal headers (RFC 8617), whose signatures the receiver verified, name known forwarders only."""
    seals = [_SEALER.search(seal[:_MOST_CHARS]) for seal in mail.headers("arc-seal")[:_MOST_SEALS]]
    return bool(seals) and all(seal is not None and registered(seal[1].lower()) in _SEALERS for seal in seals)


def _recorded(header: str) -> tuple[dict[str, str], str]:
    if not header:
        return {}, ""
    plain = _QUOTED.sub("", header) if '"' in header else header
    for _ in range(3):  # comments nest
        if "(" not in plain:
            break
        plain = _IN_COMMENT.sub(" ", plain)
    first, _, rest = plain.partition(";")
    server = (first.split(maxsplit=1) or [""])[0].lower()[:255]
    if "=" in server:  # Microsoft begins with the first result
        server, rest = "", plain
    results: dict[str, str] = {}
    for method, result in _METHOD.findall(rest):
        name, outcome = method.lower(), _MEANS.get(result.lower(), result.lower())
        if outcome in _RESULTS and (name not in results or (name == "dkim" and outcome == "pass")):
            results[name] = outcome
    return results, server


def _first_word(header: str) -> str:
    """The result of RFC 7208, 9.1, which is the first word."""
    words = header[:100].split(maxsplit=1)
    word = words[0].lower().rstrip(":;,") if words else ""
    return word if word in _RESULTS else ""
