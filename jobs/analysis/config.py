"""Which analysers run."""

from pydantic import BaseModel, Field


class AnalysisConfig(BaseModel, frozen=True):
    """The analysis of messages as they are stored."""

    enabled: bool = Field(True, description="analyse mail as it is stored; else `gbm analyze` does so later")
    without: tuple[str, ...] = Field((), description="analysers that do not run, by name")
