"""Limits of parsing and reading."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


class ParseLimits(BaseModel, frozen=True):
    """What parsing may take before the message at fault is searched for and stored unparsed."""

    memory_bytes: int = Field(
        2 << 30, ge=256 << 20, description="address space that the parsing of a batch, or of one message, may add"
    )
    message_s: PositiveFloat = Field(
        5.0, description="seconds of processor time that one message, or a batch, may take to be parsed and indexed"
    )
    mebibyte_s: PositiveFloat = Field(4.0, description="and these seconds per MiB of it")

    def cpu_s(self, size_bytes: int) -> float:
        """Seconds of processor time that messages of this size may take."""
        return self.message_s + self.mebibyte_s * size_bytes / (1 << 20)


class ReadLimits(ParseLimits, frozen=True):
    """What reading one message for a request may take before the request fails."""

    memory_bytes: int = Field(
        1 << 30, ge=256 << 20, description="address space that a process which reads messages may add"
    )
    children: PositiveInt = Field(2, description="processes that read messages, per replica")
    most_s: PositiveFloat = Field(
        10.0, description="seconds of processor time that reading any message may take: a request waits for it"
    )

    def cpu_s(self, size_bytes: int) -> float:
        """Seconds of processor time that reading a message of this size may take."""
        return min(super().cpu_s(size_bytes), self.most_s)
