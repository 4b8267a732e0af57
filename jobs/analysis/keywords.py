"""Keywords of a message: words that are frequent in it and rare in other mail."""

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail


class Keywords:
    """Up to eight words by weight: frequency times rarity (rarity.py)."""

    name, version = "keywords", 2  # 2: no word that most mail contains
    fields: tuple[Field, ...] = (("words", pa.list_(pa.string())),)

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(words); None when no word is rare enough."""
        keywords = mail.keywords
        return ([word for word, _ in keywords],) if keywords else None
