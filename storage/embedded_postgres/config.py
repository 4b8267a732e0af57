"""Settings of the embedded PostgreSQL."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


class EmbeddedConfig(BaseModel, frozen=True):
    """Settings of the embedded server; its directory is a separate argument."""

    source: Literal["auto", "path", "wheel"] = Field(
        "auto",
        description="where the binaries come from: installed on this machine (path), bundled with a Python "
        "package (wheel), or the first that is there (auto)",
    )
    bin_directory: Path | None = Field(
        None, description="directory of initdb and postgres; when set, nothing else is searched"
    )
    run_as: str | None = Field(
        None,
        description="account that runs the server when we are root, which PostgreSQL refuses to be; "
        "unset: the account postgres if it exists, else nobody",
    )
    max_connections: PositiveInt = Field(200, description="connections that the server accepts")
    shared_buffers: str = Field("128MB", description="page cache of the server, with unit")
    start_timeout_s: PositiveFloat = Field(
        120.0, description="seconds until a starting server must answer; crash recovery counts"
    )
    stop_timeout_s: PositiveFloat = Field(
        60.0, description="seconds that a fast shutdown may take before it becomes an immediate one"
    )
    log_limit_bytes: PositiveInt = Field(
        10 << 20, description="a server log larger than this is set aside at the next start"
    )
    settings: dict[str, str] = Field(
        default_factory=dict, description="further server settings by name, as in postgresql.conf"
    )
