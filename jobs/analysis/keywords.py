"""The words that tell a message from others: frequent in it, rare elsewhere."""

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail


class Keywords:
    """Up to eight words in the order of their weight, frequency by rarity; their weights are in rarity.py."""

    name, version = "keywords", 1
    fields: tuple[Field, ...] = (("words", pa.list_(pa.string())),)

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(words); None where none stands out."""
        found = mail.keywords
        return ([word for word, _ in found],) if found else None
