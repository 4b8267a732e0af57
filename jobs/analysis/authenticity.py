"""Whether a message is from whom it says: what the receiver checked, and what does not fit."""

import re

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.lookalikes import lookalike_of, registered
from jobs.analysis.mail import Mail

_MOST_CHARS = 8000
_COMMENT = re.compile(r"\([^()]{0,1000}\)")
_RESULT = re.compile(r"^\s*(spf|dkim|dmarc)\s*=\s*([a-z]{3,10})\b", re.IGNORECASE)
#: RFC 8601, 2.7. What is none of them is not told.
_RESULTS = frozenset(
    {"none", "pass", "fail", "softfail", "neutral", "temperror", "permerror", "policy", "bestguesspass", "hardfail"}
)
_ADDRESS = re.compile(r"[\w.+-]{1,64}@([\w-]+(?:\.[\w-]+)+)")


class Authenticity:
    """SPF, DKIM and DMARC as the receiver recorded them, and what does not fit in addresses.

    Only the topmost Authentication-Results counts: the receiver wrote it last, whatever a sender put below.
    """

    name, version = "authenticity", 1
    fields: tuple[Field, ...] = (
        ("spf", pa.string()),
        ("dkim", pa.string()),
        ("dmarc", pa.string()),
        ("server", pa.string()),  # who checked
        ("from_domain", pa.string()),  # as registered
        ("reply_to_differs", pa.bool_()),  # answers go to another domain, and no list explains it
        ("name_differs", pa.bool_()),  # the sender's name is an address of another domain
        ("lookalike_of", pa.string()),
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """A value for each field; results are null where nobody recorded any."""
        message = mail.message
        server, results = _results(mail.header("authentication-results"))
        if "spf" not in results and (received := mail.header("received-spf")):
            word = received[:20].strip().partition(" ")[0].lower()
            if word in _RESULTS:
                results["spf"] = word
        domain = message.from_address.rpartition("@")[2]
        own = registered(domain) if domain else ""
        replies = {registered(found[1]) for each in message.reply_to[:20] if (found := _ADDRESS.search(each[-400:]))}
        named = _ADDRESS.search(message.from_name[:400])
        return (
            results.get("spf"),
            results.get("dkim"),
            results.get("dmarc"),
            server,
            own or None,
            bool(own and replies and own not in replies and not message.list_id),
            bool(own and named and registered(named[1]) != own),
            lookalike_of(domain) if domain else None,
        )


def _results(header: str) -> tuple[str | None, dict[str, str]]:
    """The server and the results of a header's text. Of several DKIM signatures, one that passes is enough."""
    if not header:
        return None, {}
    text = header[:_MOST_CHARS]
    for _ in range(3):  # comments nest
        text = _COMMENT.sub(" ", text)
    server, *parts = text.split(";")
    found: dict[str, str] = {}
    for part in parts:
        if match := _RESULT.match(part):
            method, result = match[1].lower(), match[2].lower()
            if result in _RESULTS and found.get(method) != "pass":
                found[method] = result
    words = server.split()
    return (words[0][:255] if words else None), found
