"""The language of a message."""

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail


class Language:
    """The language of the sender's own text, without quoted text and signature."""

    name, version = "language", 1
    fields: tuple[Field, ...] = (("code", pa.string()), ("confidence", pa.float32()))

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(code, confidence); None when no language is detected."""
        code, confidence = mail.detected_language
        return (code, confidence) if code else None
