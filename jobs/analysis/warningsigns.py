"""Warnings about a message: typed reasons to distrust it, each with its evidence in words.

A warning is shown to people, so honest mail must not have one: mailing lists change messages and forwarders change
paths, and newsletters answer to other domains than they are sent from. `gbm bench analysis --quality` prints shares.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from jobs.analysis.attachmentkinds import RUN
from jobs.analysis.displayednames import belongs_to_brand, foreign_name, lured_by
from jobs.analysis.domains import registered
from jobs.analysis.lookalikes import lookalike
from jobs.analysis.mail import Mail
from jobs.analysis.receiverresults import ABSENT, Results
from jobs.analysis.words import listed

#: The kinds of warnings. A kind never changes its meaning.
KINDS = (
    "known_name",  # the display name or the address shows a well-known name, the address is of somebody else
    "lookalike_domain",  # the sender's domain imitates a well-known one
    "address_in_name",  # the display name contains an address of another domain
    "replies_elsewhere",  # replies go to a free mailbox that is not the sender's
    "not_authenticated",  # SPF, DKIM or DMARC failed, or none of them confirms the sender
    "marked_by_receiver",  # the receiver's filter marked the message as forged or phishing
    "junk_by_receiver",  # the receiver's filter put the message into Junk
    "runs_a_file",  # an attachment is a program, or a page that opens outside the mail
    "asks_for_credentials",  # asks for credentials under a time limit
)


class Sign(NamedTuple):
    """A reason to distrust a message."""

    kind: str
    evidence: str


_FREE = listed("free_mail_domains")
_VERBS, _NOUNS, _DEADLINES = listed("credential_verbs"), listed("credential_nouns"), listed("deadlines")
_ADDRESS = re.compile(r"([^\s@<>\"]{1,64})@([^\s@<>\"]{1,255})>?\s*\Z")
_ADDRESS_IN_NAME = re.compile(r"[\w.+-]{1,64}@((?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,10})\b", re.I)
_TIME_LIMIT = re.compile(r"\b(?:12|24|36|48|72)\s?(?:hours?|hrs?|h|horas|heures|stunden|std)\b", re.I)
_VERDICT = re.compile(r"\bCAT:(PHSH|HPHSH|HPHISH|SPOOF|UIMP|DIMP|BIMP|GIMP|INTOS|MALW)\b")
#: Microsoft's filter: spam confidence levels from 5 on, and a delivery to Junk, are spam.
_JUNK = re.compile(r"\b(?:SCL:[5-9]|SFV:SPM|dest:J)\b")
_MS_REPORTS = ("x-forefront-antispam-report", "x-microsoft-antispam-mailbox-delivery")
_PAGES = frozenset({"htm", "html", "shtml", "xhtml", "mht", "mhtml", "svg", "hta"})
_SEPARATORS = re.compile(r"[._+\d-]+")
_WORD = re.compile(r"[a-z]{3,}")
_FORWARDED = ("x-forwarded-for", "resent-from", "x-forwarded-to")
_MOST = 20


def found(mail: Mail, domain: str, results: Results) -> list[Sign]:
    """The warnings of a message, in the order of KINDS.

    Args:
        domain: of the sender, in lower case; "" without one.
        results: as the receiver recorded them.
    """
    return list(_found(mail, domain, results))


def _found(mail: Mail, domain: str, results: Results) -> Iterator[Sign]:
    message = mail.message
    is_list = bool(message.list_id)
    if domain:
        yield from _of_sender(message.from_name[:200], message.from_address.partition("@")[0][:64], domain)
        if message.reply_to and not is_list:
            yield from _replies(mail, domain)
    if results.recorded and not results.passed:
        yield from _of_results(mail, domain, results)
    if verdict := _VERDICT.search(mail.header("x-forefront-antispam-report")[:2_000]):
        yield Sign("marked_by_receiver", f"Microsoft's filter marked it as {verdict[1]}")
    elif any(_JUNK.search(mail.header(name)[:2_000]) for name in _MS_REPORTS):
        yield Sign("junk_by_receiver", "Microsoft's filter put it into Junk")
    if message.attachments:
        for attachment in message.attachments[:_MOST]:
            end = attachment.filename.rpartition(".")[2].lower() if "." in attachment.filename else ""
            if end in RUN or (end in _PAGES and not attachment.inline and not is_list):
                yield Sign("runs_a_file", f"The attachment {attachment.filename[:100]} can run")
                break
    if not is_list:
        yield from _credentials(mail)


def _of_sender(name: str, local: str, domain: str) -> Iterator[Sign]:
    owner = registered(domain)
    if shown := foreign_name(name, owner):
        yield Sign("known_name", f"The name shows {shown}, the address is of {domain}")
    elif shown := foreign_name(_apart(local), owner):
        yield Sign("known_name", f"The address shows {shown}, it is of {domain}")
    if imitated := lookalike(domain) or lured_by(owner):
        yield Sign("lookalike_domain", f"{domain} imitates {imitated}")
    if "@" in name and (other := _other_domain(name, owner)):
        yield Sign("address_in_name", f"The name shows an address of {other}, the address is of {domain}")


def _apart(local: str) -> str:
    """The words of a local part; "" for one word: people give every shop an address of its own."""
    words = _SEPARATORS.split(local)
    return " ".join(words) if len(words) > 1 else ""


def _other_domain(name: str, owner: str) -> str:
    """The domain of an address in a display name, unless it is of the registered domain `owner`."""
    for shown in _ADDRESS_IN_NAME.findall(name):
        if registered(shown.lower()) != owner:
            return str(shown).lower()
    return ""


def _replies(mail: Mail, domain: str) -> Iterator[Sign]:
    """Replies to a free mailbox of another name: people who answer from home keep theirs."""
    name, address = mail.message.from_name[:200].lower(), mail.message.from_address[:320]
    own = {*_WORD.findall(name), *_WORD.findall(address.partition("@")[0])}
    for shown in mail.message.reply_to[:_MOST]:
        match = _ADDRESS.search(shown[-400:].lower())
        if not match or match[2] not in _FREE or registered(match[2]) == registered(domain):
            continue
        if not any(word in match[1] for word in own):
            yield Sign("replies_elsewhere", f"Replies go to {match[2]}, the address is of {domain}")
            return


def _of_results(mail: Mail, domain: str, results: Results) -> Iterator[Sign]:
    is_list = bool(mail.message.list_id)
    # A list passes by its own domain and changes what was signed; those who are imitated do not write to lists.
    excused = is_list and "pass" in (results.spf, results.dkim) and not belongs_to_brand(registered(domain))
    if results.dmarc == "fail" and not excused:
        yield Sign("not_authenticated", f"DMARC failed for {domain or 'the sender'}")
    elif results.composite == "fail":
        yield Sign("not_authenticated", f"Microsoft could not confirm {domain or 'the sender'}")
    elif is_list or any(mail.headers(name) for name in _FORWARDED):
        return  # SPF knows the list's or the forwarder's hosts, not the sender's
    elif results.spf in ("fail", "softfail"):
        yield Sign("not_authenticated", f"SPF said {results.spf}, and no signature confirms the sender")
    elif ABSENT not in (results.spf, results.dkim):
        yield Sign("not_authenticated", f"Neither SPF ({results.spf}) nor DKIM ({results.dkim}) confirms the sender")


def _credentials(mail: Mail) -> Iterator[Sign]:
    if "http" not in mail.body and not mail.message.has_html:
        return
    words = mail.distinct_words
    verbs, nouns = words & _VERBS, words & _NOUNS
    if not verbs or not nouns:
        return
    limit = _TIME_LIMIT.search(mail.body[:4_000])
    deadline = limit[0] if limit else min(words & _DEADLINES, default="")
    if deadline:
        yield Sign("asks_for_credentials", f"The text says {min(verbs)}, {min(nouns)} and {deadline}")
