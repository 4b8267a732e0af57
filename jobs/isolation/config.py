"""Limits of parsing."""

from pydantic import BaseModel, Field, PositiveFloat


class ParseLimits(BaseModel, frozen=True):
    """What parsing may take before the message at fault is searched for and stored unparsed."""

    memory_bytes: int = Field(
        2 << 30, ge=256 << 20, description="address space that the parsing of a batch, or of one message, may add"
    )
    message_s: PositiveFloat = Field(10.0, description="seconds that one message may take after its batch failed")
    mebibyte_s: PositiveFloat = Field(4.0, description="and these seconds per MiB of the message")

    def timeout_s(self, size_bytes: int) -> float:
        """Seconds that a message of this size may take."""
        return self.message_s + self.mebibyte_s * size_bytes / (1 << 20)
