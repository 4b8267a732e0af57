"""The operators of the search language, and the names that some of them take."""

from collections.abc import Mapping

#: Operators of text fields: their value may be a word, a phrase, +exact, or a group of these.
TEXT_FIELDS = frozenset(("from", "to", "cc", "bcc", "subject", "list", "filename", "deliveredto"))
DATES = frozenset(("after", "newer", "before", "older"))
AGES = frozenset(("older_than", "newer_than"))
SIZES = frozenset(("larger", "smaller", "size"))

#: Names that stand for one label, by operator. Gmail's API has no label for snoozed and muted mail; another source of
#: mail (Takeout) may have one.
PLACES: Mapping[str, str] = {
    "inbox": "INBOX",
    "sent": "SENT",
    "trash": "TRASH",
    "spam": "SPAM",
    "draft": "DRAFT",
    "drafts": "DRAFT",
    "starred": "STARRED",
    "important": "IMPORTANT",
    "chats": "CHAT",
    "snoozed": "SNOOZED",
    "muted": "MUTED",
    "unread": "UNREAD",
}
STATES: Mapping[str, str] = {
    "unread": "UNREAD",
    "starred": "STARRED",
    "important": "IMPORTANT",
    "snoozed": "SNOOZED",
    "muted": "MUTED",
}
STARS = (
    *(f"{colour}-star" for colour in ("yellow", "orange", "red", "purple", "blue", "green")),
    *("red-bang", "yellow-bang", "orange-guillemet", "green-check", "blue-info", "purple-question"),
)
CATEGORIES: Mapping[str, str] = {
    "primary": "CATEGORY_PERSONAL",
    "personal": "CATEGORY_PERSONAL",
    "social": "CATEGORY_SOCIAL",
    "promotions": "CATEGORY_PROMOTIONS",
    "updates": "CATEGORY_UPDATES",
    "forums": "CATEGORY_FORUMS",
    "reservations": "CATEGORY_RESERVATIONS",
    "purchases": "CATEGORY_PURCHASES",
}
#: The strings that has:NAME looks for in the text: links to these services.
LINKS: Mapping[str, tuple[str, ...]] = {
    "drive": ("drive.google.com", "docs.google.com"),
    "document": ("docs.google.com/document",),
    "spreadsheet": ("docs.google.com/spreadsheets",),
    "presentation": ("docs.google.com/presentation",),
    "youtube": ("youtube.com/", "youtu.be/"),
}
EVERYWHERE = frozenset(("anywhere", "all"))

#: The names that an operator takes; None: any name. `in` takes label names as well.
NAMES: Mapping[str, frozenset[str] | None] = {
    "label": None,
    "in": None,
    "rfc822msgid": None,
    "is": frozenset((*STATES, "read")),
    "has": frozenset(("attachment", "userlabels", "nouserlabels", *LINKS, *STARS)),
    "category": frozenset(CATEGORIES),
}
OPERATORS = frozenset((*TEXT_FIELDS, *NAMES, *DATES, *AGES, *SIZES))
