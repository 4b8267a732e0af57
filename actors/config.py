"""Settings of a shard: concurrency, buffer, lease, retries, polling, evidence for deletions."""

import pickle
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, SecretStr

from jobs.analysis.config import AnalysisConfig
from jobs.gmail.config import GmailConfig
from jobs.isolation.config import ParseLimits
from jobs.webhooks.config import WebhookConfig
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import KeyPlace, Sealer

#: The context of sealed database URLs.
_IN_TRANSIT = "database URLs in transit"


class RetryConfig(BaseModel, frozen=True):
    """When a failed message, or a failed call for a mailbox, is retried."""

    attempts: PositiveInt = Field(5, description="attempts in a row, after which a message is recorded as failed")
    first_delay_s: PositiveFloat = Field(
        1.0, description="seconds before the second attempt; doubles with each attempt"
    )
    failed_delay_s: PositiveFloat = Field(
        900.0, description="seconds before a message recorded as failed is retried; doubles with each retry"
    )
    longest_delay_s: PositiveFloat = Field(86_400.0, description="maximum delay, in seconds")


class PollConfig(BaseModel, frozen=True):
    """How often mailboxes are polled: busy ones often, idle ones rarely."""

    enabled: bool = Field(True, description="poll completely backed-up mailboxes for changes")
    shortest_s: PositiveFloat = Field(30.0, description="seconds between two polls of a busy mailbox")
    longest_s: PositiveFloat = Field(
        900.0, description="maximum number of seconds between two polls of an idle mailbox"
    )
    growth: float = Field(
        1.5, ge=1.0, le=10.0, description="factor by which the interval grows after a poll without changes"
    )
    jitter: float = Field(0.2, ge=0.0, lt=1.0, description="random share of an interval, to spread polls")
    topic: str = Field(
        "", description="Pub/Sub topic for Gmail's push notifications, projects/P/topics/T; unset: no notifications"
    )
    watch_every_s: PositiveFloat = Field(
        86_400.0,
        le=500_000.0,
        description="seconds between renewals of push notifications, which expire after seven days",
    )


class EvidenceConfig(BaseModel, frozen=True):
    """The evidence required before a message counts as deleted, and how often the archive is compared with Gmail."""

    gone_after_s: PositiveFloat = Field(
        86_400.0,
        description="seconds of 404 responses after which a listed message that was never stored counts as deleted",
    )
    check_delay_s: PositiveFloat = Field(
        600.0,
        description="seconds between the two 404 responses that confirm a deletion without a history record",
    )
    suspect_minimum: PositiveInt = Field(
        100, description="number of messages missing from a listing above which their deletion is suspect"
    )
    suspect_share: float = Field(0.05, ge=0.0, le=1.0, description="share of the mailbox that must be missing as well")
    suspect_s: PositiveFloat = Field(86_400.0, description="seconds after which suspect deletions are checked again")
    overlap_s: PositiveFloat = Field(
        600.0, description="seconds of history that are read again with each poll, for records that Gmail reports late"
    )
    reconcile_every_s: PositiveFloat = Field(
        518_400.0, description="seconds between two comparisons of a mailbox's ids and labels with Gmail"
    )
    labels_every_s: PositiveFloat = Field(3600.0, description="seconds between two reads of the labels' names")
    grant_retry_s: PositiveFloat = Field(
        60.0, description="seconds before a refused grant is retried; quadruples with each refusal"
    )


class ShardConfig(BaseModel, frozen=True):
    """Limits of one shard's owner."""

    fetch_size: PositiveInt = Field(200, le=500, description="messages per fetch task")
    fetches: PositiveInt = Field(3, description="maximum number of concurrent fetch tasks per shard")
    fetches_per_mailbox: PositiveInt = Field(3, description="maximum number of concurrent fetch tasks per mailbox")
    calls: PositiveInt = Field(2, description="maximum number of concurrent profile, list and history calls per shard")
    list_ahead: PositiveInt = Field(
        2000, description="maximum number of listed ids of a mailbox that are not fetched yet"
    )
    writes: PositiveInt = Field(2, description="maximum number of segments written concurrently per shard")
    buffer_bytes: PositiveInt = Field(
        96 << 20, description="raw mail fetched and not yet committed, per shard; a full buffer pauses fetching"
    )
    typical_message_bytes: PositiveInt = Field(
        64 << 10, description="assumed size of a message in flight, in bytes, for the limit of the buffer"
    )
    task_timeout_s: PositiveFloat = Field(
        300.0, description="seconds after which a call, a fetch or the writing of a segment is cancelled and repeated"
    )
    merge_timeout_s: PositiveFloat = Field(
        3600.0, description="seconds after which a merge or an analysis of a segment is cancelled and repeated"
    )
    parsing: ParseLimits = ParseLimits()
    resource: str = Field(
        "", description="custom resource of Ray of which every owner takes 1, to choose its nodes; unset: any node"
    )
    lease_s: PositiveFloat = Field(15.0, description="seconds after which a shard's lease expires without renewal")
    retry: RetryConfig = RetryConfig()
    poll: PollConfig = PollConfig()
    evidence: EvidenceConfig = EvidenceConfig()


class EventsConfig(BaseModel, frozen=True):
    """Delivery of events to consumers."""

    poll_s: PositiveFloat = Field(1.0, description="seconds between looks for events, beside notifications of Postgres")
    batch: PositiveInt = Field(500, le=1000, description="events that are read and acknowledged at once")
    concurrency: PositiveInt = Field(16, le=256, description="users of a batch whose events are handled concurrently")
    attempts: PositiveInt = Field(5, le=20, description="attempts until an event becomes a dead letter")
    first_delay_s: PositiveFloat = Field(
        0.5, description="seconds before the second attempt; doubles with each attempt"
    )
    longest_delay_s: PositiveFloat = Field(30.0, description="maximum seconds between two attempts")


class BackupConfig(BaseModel, frozen=True):
    """The configuration of a shard owner, passed to its process as one frozen value."""

    cluster: str = Field(
        description="name of the cluster: earlier shard owners of the same cluster are replaced at once"
    )
    shard: ShardConfig = ShardConfig()
    gmail: GmailConfig = GmailConfig()
    archive: ArchiveConfig = ArchiveConfig()
    analysis: AnalysisConfig = AnalysisConfig()
    events: EventsConfig = EventsConfig()
    webhooks: WebhookConfig = WebhookConfig()
    postgres: PostgresConfig = PostgresConfig()
    sealing_key: SecretStr | None = Field(None, description="key that seals credentials, base64; never pickled")
    sealing_key_variable: str = Field("", description="environment variable that holds the key; unset: the file")
    sealing_key_path: Path = Field(Path("sealing.key"), description="file of the sealing key, mode 0600")
    old_sealing_key_paths: tuple[Path, ...] = Field((), description="files of keys that still open what they sealed")

    @property
    def key_place(self) -> KeyPlace:
        """Where other processes find the sealing key."""
        return KeyPlace(self.sealing_key_variable, self.sealing_key_path, self.old_sealing_key_paths)

    def __getstate__(self) -> dict[Any, Any]:
        """The configuration without the key, and with sealed passwords, because Ray stores and logs arguments.

        Raises:
            KeyMissing, KeyInvalid, KeyExposed: a database's URL has a password.
        """
        state = super().__getstate__()
        fields = {**state["__dict__"], "sealing_key": None}
        if not self.postgres.has_password:
            return {**state, "__dict__": fields}
        sealed = self.sealer().seal(pickle.dumps(self.postgres), _IN_TRANSIT)
        return {**state, "__dict__": {**fields, "postgres": PostgresConfig()}, "sealed": sealed}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Restore the configuration; the sealing key is loaded from its variable or its file.

        Raises:
            KeyMissing, KeyInvalid, KeyExposed, KeyUnknown.
        """
        sealed = state.pop("sealed", None)
        super().__setstate__(state)
        if sealed is not None:
            opened = self.key_place.sealer().open(sealed, _IN_TRANSIT)
            self.__dict__["postgres"] = pickle.loads(opened)  # noqa: S301 - sealed by our own code

    def sealer(self) -> Sealer:
        """Opens and seals secrets.

        Raises:
            KeyMissing, KeyInvalid, KeyExposed.
        """
        return self.key_place.sealer(self.sealing_key)
