"""The category of a message, with the reasons.

Each sign (a program as the writer, a bulk sender, words, domain) adds points to a category, and the category with the
most points wins; of equal ones the first in CATEGORIES. Without a sign the category is null: `work` and `personal` need
evidence that the people know each other, not the absence of other signs. The weights of the signs are judgement; `gbm
bench analysis --quality` prints the shares of categories on mail of known kinds.
"""

from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa

from jobs.analysis.acquaintance import category_if_known, evidence, kind_of_writer
from jobs.analysis.analyser import Field
from jobs.analysis.authenticity import warnings_of
from jobs.analysis.domains import registered
from jobs.analysis.mail import Mail
from jobs.analysis.relations import FREE
from jobs.analysis.spam import LIKELY, spam_score
from jobs.analysis.words import listed

CATEGORIES = (
    *("spam_like", "receipt", "travel", "social", "promotion", "newsletter", "notification", "personal", "work"),
)
_SOCIAL = listed("social_domains")
_TRAVEL_DOMAINS = listed("travel_domains")
_PAYMENT = listed("payment")
_TRAVEL = listed("travel")
_PROMOTION = listed("promotion")
_NOTIFICATION = listed("notification")
#: Spam scores from this on make a message spam-like.
SPAM = 0.85


class Category:
    """One of CATEGORIES or null, the spam score, and the reasons; of a null category the reasons that were weighed."""

    name, version = "category", 4  # 2: null without evidence; 3: who decided, and another spam model; 4: if_known
    fields: tuple[Field, ...] = (
        ("name", pa.string()),
        ("spam_score", pa.float32()),
        ("reasons", pa.list_(pa.string())),
        (
            "source",
            pa.string(),
        ),  # rules, model (the spam score), none; where results are read, gmail, mailbox and owner
        ("if_known", pa.string()),  # personal or work if the mailbox shows that the people know each other; else null
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(name, spam score, reasons, source, if known)."""
        score = mail.once(spam_score)
        points: defaultdict[str, int] = defaultdict(int)
        reasons: defaultdict[str, list[str]] = defaultdict(list)
        for category, weight, reason in _signs(mail, score):
            points[category] += weight
            reasons[category].append(reason)
        if not points:
            doubts = [*_doubts(mail, score), "no sign that the receiver knows the writer"]
            return None, score, doubts, "none", category_if_known(mail)
        most = max(points.values())
        name = next(category for category in CATEGORIES if points.get(category) == most)
        return name, score, reasons[name], "model" if name == "spam_like" else "rules", category_if_known(mail)


def _doubts(mail: Mail, score: float) -> Iterator[str]:
    if score >= LIKELY:
        yield "reads like spam"
    for warning in mail.once(warnings_of):
        yield f"warning: {warning.kind}"


def _signs(mail: Mail, score: float) -> Iterator[tuple[str, int, str]]:
    """(category, points, reason)."""
    kind = mail.once(kind_of_writer)
    bulk, by_program = kind == "bulk", kind != "human"
    domain = registered(mail.message.from_address.rpartition("@")[2])
    words = mail.distinct_words
    subject = {*mail.message.subject.lower().split()[:30]}
    if score >= SPAM:
        yield "spam_like", 5, "reads like spam"
    if domain in _SOCIAL:
        yield "social", 6, "from a social network"
    if domain in _TRAVEL_DOMAINS:
        yield "travel", 4, "from a travel company"
    if len(words & _TRAVEL) >= 3:
        yield "travel", 3, "speaks of a journey"
    if by_program and len(words & _PAYMENT) >= 3:
        yield "receipt", 2, "speaks of a payment"
    if subject & _PAYMENT and by_program:
        yield "receipt", 3, "its subject speaks of a payment"
    if bulk:
        yield "newsletter", 2, "went to many"
        if mail.message.list_id:
            yield "newsletter", 1, "by a mailing list"
        if len(words & _PROMOTION) >= 3:
            yield "promotion", 4, "offers something"
    elif by_program:
        yield "notification", 3, "a program wrote it"
    if by_program and len((words | subject) & _NOTIFICATION) >= 2:
        yield "notification", 1, "tells of an event"
    for reason in mail.once(evidence):
        yield ("personal" if domain in FREE else "work"), 4, reason
