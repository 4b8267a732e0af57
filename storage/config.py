"""Settings of storage: Postgres, the archive, and the sizes of files.

Values only; cluster/settings.py reads the environment.
"""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr


class RetentionConfig(BaseModel, frozen=True):
    """Retention of rows in Postgres that would grow without bound. Mail and labels are kept for ever."""

    outbox_days: PositiveInt = Field(30, description="least number of days that domain events are kept")
    failed_history_days: PositiveInt = Field(
        180, description="least number of days that the history of failed messages is kept"
    )
    audit_days: PositiveInt = Field(400, description="least number of days that the audit log is kept")


class PostgresConfig(BaseModel, frozen=True):
    """One control database and the databases that hold the shards."""

    control_dsn: SecretStr | None = Field(
        None, description="postgresql:// URL of the control database; unset: embedded PostgreSQL in GBM_HOME"
    )
    shard_dsns: tuple[SecretStr, ...] = Field(
        (),
        description="URLs of the shard databases; unset: two beside the control database, NAME_shard0 and _shard1",
    )
    binaries: Literal["auto", "path", "wheel"] = Field(
        "auto", description="where the embedded server's binaries come from"
    )
    run_as: str | None = Field(
        None, description="account of the embedded server when started as root; unset: postgres, else nobody"
    )
    shard_replica_dsns: tuple[tuple[SecretStr, ...], ...] = Field(
        (), description="URLs of the read replicas of each shard database, one list each; [] for one without"
    )
    control_replica_dsns: tuple[SecretStr, ...] = Field(
        (), description="URLs of the control database's read replicas: mail is read with them while it is away"
    )
    replica_check_s: PositiveFloat = Field(1.0, description="seconds between two looks at the replicas")
    replica_lag_s: PositiveFloat = Field(10.0, description="seconds behind the primary at which a replica is not read")
    replica_lag_bytes: PositiveInt = Field(64 << 20, description="bytes of log behind at which a replica is not read")
    pool_size: PositiveInt = Field(
        4, description="connections per process and database; a replica of the gateway may open GBM_SERVE__THREADS + 1"
    )
    connect_timeout_s: PositiveInt = Field(5, description="seconds until an unreachable server is an error")
    statement_timeout_s: PositiveFloat = Field(60.0, description="seconds until a statement is cancelled")
    idle_in_transaction_timeout_s: PositiveFloat = Field(
        300.0, description="seconds that a transaction may do nothing until Postgres ends it, and its locks"
    )
    retention: RetentionConfig = RetentionConfig()

    @property
    def has_password(self) -> bool:
        """Whether a URL contains a password, or cannot be read."""
        replicas = (dsn for dsns in self.shard_replica_dsns for dsn in dsns)
        dsns = [*self.shard_dsns, *replicas, *self.control_replica_dsns]
        if self.control_dsn is not None:
            dsns.append(self.control_dsn)
        return any(_has_password(dsn.get_secret_value()) for dsn in dsns)


def _has_password(dsn: str) -> bool:
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return True
    return parts.password is not None or "password" in parts.query.lower()


class ArchiveConfig(BaseModel, frozen=True):
    """Where segments lie and when a shard writes one."""

    uri: str = Field("", description="file:///… of the archive; unset: GBM_HOME/archive")
    reserve_bytes: NonNegativeInt = Field(
        512 << 20, description="bytes that stay free on the archive's disk: no segment is begun when fewer are left"
    )
    segment_bytes: PositiveInt = Field(16 << 20, description="raw bytes of mail after which a shard writes a segment")
    segment_messages: PositiveInt = Field(4000, description="messages after which a shard writes a segment")
    segment_age_s: PositiveFloat = Field(
        2.0, description="seconds after which a shard writes what it has, however little"
    )
    frame_bytes: PositiveInt = Field(
        1 << 20, ge=64 << 10, le=1 << 20, description="raw bytes per zstd frame: what one read decompresses"
    )
    zstd_level: PositiveInt = Field(3, le=19, description="zstd level of raw frames and Parquet pages")
    words_cache: str = Field(
        "", description="local folder of unpacked word indexes, shared by this machine; unset: GBM_HOME/words"
    )
    words_cache_bytes: PositiveInt = Field(4 << 30, description="size of that folder")
    words_cache_splits: PositiveInt = Field(512, description="word indexes in that folder, and open in a process")
    orphan_grace_s: NonNegativeFloat = Field(
        3600.0, description="age at which an uncommitted file of the present owner counts as an orphan"
    )
    rollup_s: PositiveFloat = Field(
        3600.0,
        ge=1.0,
        le=3600.0,
        description="seconds between two roll-ups of what only Postgres knows into the archive",
    )
    compaction: bool = Field(True, description="merge small segments into large ones without being asked")
    open_segments: PositiveInt = Field(
        10, ge=2, le=1000, description="segments of a shard that may stay small; more of them are merged"
    )
    merged_bytes: PositiveInt = Field(
        1 << 30, ge=1 << 20, le=16 << 30, description="raw bytes of mail that a merged segment has at most"
    )
    merged_messages: PositiveInt = Field(
        1_000_000, ge=1000, le=10_000_000, description="messages that a merged segment has at most"
    )
    retired_grace_s: PositiveFloat = Field(
        900.0,
        ge=1.0,
        description="seconds that merged files are kept: longer than any reader's query takes",
    )
