"""What a question in SQL may take."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


class SandboxConfig(BaseModel, frozen=True):
    """The bounds of one question, and of all at a time."""

    time_s: PositiveFloat = Field(10.0, le=300, description="seconds of a question, from the start of its process")
    memory_bytes: int = Field(512 << 20, ge=64 << 20, description="memory that DuckDB may use for a question")
    rows: PositiveInt = Field(10_000, description="rows of an answer; more are cut off, and it says so")
    answer_bytes: PositiveInt = Field(16 << 20, description="bytes of an answer")
    input_bytes: PositiveInt = Field(1 << 30, description="bytes of mail that a question may read, as columns")
    at_a_time: PositiveInt = Field(2, description="questions at a time per replica; others wait, then are refused")
