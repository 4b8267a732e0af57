"""The category of a message, with the reasons.

Each sign (a person or a program as the writer, a bulk sender, words, domain) adds points to a category, and the
category with the most points wins; of equal ones the first in CATEGORIES. The weights of the signs are judgement; `gbm
bench analysis --quality` measures the part that has labelled data, spam.
"""

from collections import defaultdict

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.authenticity import registered
from jobs.analysis.automatic import Automatic
from jobs.analysis.mail import Mail
from jobs.analysis.spam import spam_score
from jobs.analysis.words import listed

CATEGORIES = (
    *("spam_like", "receipt", "travel", "social", "promotion", "newsletter", "notification", "personal", "work"),
)
_SOCIAL = listed("social_domains")
_TRAVEL_DOMAINS = listed("travel_domains")
FREE = listed("free_mail_domains")
_PAYMENT = listed("payment")
_TRAVEL = listed("travel")
_PROMOTION = listed("promotion")
_NOTIFICATION = listed("notification")
#: Spam scores from this on make a message spam-like.
SPAM = 0.9
_automatic = Automatic()


class Category:
    """One of CATEGORIES, the spam score, and the reasons."""

    name, version = "category", 1
    fields: tuple[Field, ...] = (
        ("name", pa.string()),
        ("spam_score", pa.float32()),
        ("reasons", pa.list_(pa.string())),
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(name, spam score, reasons)."""
        points: defaultdict[str, int] = defaultdict(int)
        reasons: defaultdict[str, list[str]] = defaultdict(list)

        def sign(category: str, weight: int, reason: str) -> None:
            points[category] += weight
            reasons[category].append(reason)

        score = spam_score(mail)
        automatic, kind, _ = _automatic.analyse(mail)
        bulk = kind == "bulk" or bool(mail.message.list_id)
        domain = registered(mail.message.from_address.rpartition("@")[2])
        words = {*mail.words[:300]}
        subject = {*mail.message.subject.lower().split()[:30]}
        if score >= SPAM:
            sign("spam_like", 5, "reads like spam")
        if domain in _SOCIAL:
            sign("social", 6, "from a social network")
        if domain in _TRAVEL_DOMAINS:
            sign("travel", 4, "from a travel company")
        if len(words & _TRAVEL) >= 3:
            sign("travel", 3, "speaks of a journey")
        if (automatic or bulk) and len(words & _PAYMENT) >= 3:
            sign("receipt", 2, "speaks of a payment")
        if subject & _PAYMENT and (automatic or bulk):
            sign("receipt", 3, "its subject speaks of a payment")
        if bulk:
            sign("newsletter", 2, "went to many")
            if mail.message.list_id:
                sign("newsletter", 1, "by a mailing list")
            if len(words & _PROMOTION) >= 3:
                sign("promotion", 4, "offers something")
        elif automatic:
            sign("notification", 3, "a program wrote it")
        if (automatic or bulk) and len((words | subject) & _NOTIFICATION) >= 2:
            sign("notification", 1, "tells of an event")
        if not automatic:
            by_person = "personal" if domain in FREE else "work"
            sign(by_person, 3 if not bulk else 2, "a person wrote it")
        most = max(points.values())
        name = next(category for category in CATEGORIES if points.get(category) == most)
        return name, score, reasons[name]
