"""Which language a message is written in."""

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail


class Language:
    """The language of what was written, quotes and signature left out."""

    name, version = "language", 1
    fields: tuple[Field, ...] = (("code", pa.string()), ("confidence", pa.float32()))

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(code, confidence); None when it cannot be told."""
        code, confidence = mail.told_language
        return (code, confidence) if code else None
