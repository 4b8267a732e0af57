"""Settings of analysis."""

from pydantic import BaseModel, Field, PositiveFloat


class AnalysisConfig(BaseModel, frozen=True):
    """Which analysers run, and the limits of plug-ins."""

    enabled: bool = Field(True, description="whether messages are analysed when they are backed up")
    disabled: frozenset[str] = Field(frozenset(), description="names of analysers that do not run")
    plugins: bool = Field(True, description="whether analysers of installed packages (gbm.analysers) run")
    plugin_timeout_s: PositiveFloat = Field(1.0, le=60, description="seconds that a plug-in may take for one message")
    plugin_load_timeout_s: PositiveFloat = Field(30.0, le=600, description="seconds in which a plug-in must load")
    plugin_memory_bytes: int = Field(1 << 30, ge=64 << 20, description="address space that plug-ins may add")
    plugin_failures: int = Field(20, ge=1, description="failures in a row that exclude a plug-in from the batch")
