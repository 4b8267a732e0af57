"""Limits of SQL queries."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


class SandboxConfig(BaseModel, frozen=True):
    """Limits of one query, and of concurrent queries."""

    time_s: PositiveFloat = Field(10.0, le=300, description="seconds of a query, from the start of its process")
    memory_bytes: int = Field(512 << 20, ge=64 << 20, description="memory that DuckDB may use for a query")
    rows: PositiveInt = Field(10_000, description="rows of a result; a longer result is cut and marked as cut")
    result_bytes: PositiveInt = Field(16 << 20, description="bytes of a result")
    input_bytes: PositiveInt = Field(1 << 30, description="bytes of mail that a query may read, as columns")
    concurrent_queries: PositiveInt = Field(
        2, description="concurrent queries per replica; others wait, then are refused"
    )
