"""What a shard may be told: how much it keeps in flight, how long its lease lives, how it retries."""

import pickle
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, SecretStr

from jobs.analysis.config import AnalysisConfig
from jobs.gmail.config import GmailConfig
from jobs.isolation.config import ParseLimits
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import KeyPlace, Sealer

#: The context of sealed database URLs.
_IN_TRANSIT = "database URLs in transit"


class RetryConfig(BaseModel, frozen=True):
    """When a message, or a call for a mailbox, that failed is tried again."""

    attempts: PositiveInt = Field(5, description="tries in one go, after which a message is filed as failed")
    first_delay_s: PositiveFloat = Field(1.0, description="seconds before the second try; doubles with each")
    filed_delay_s: PositiveFloat = Field(900.0, description="seconds before a filed message is tried again; doubles")
    longest_delay_s: PositiveFloat = Field(86_400.0, description="seconds that no delay exceeds")


class PollConfig(BaseModel, frozen=True):
    """How often a mailbox is looked at without being asked: busy ones often, quiet ones rarely."""

    enabled: bool = Field(True, description="keep complete mailboxes current without being asked")
    shortest_s: PositiveFloat = Field(30.0, description="seconds between two looks at a busy mailbox")
    longest_s: PositiveFloat = Field(900.0, description="seconds between two looks at a quiet mailbox, at most")
    growth: float = Field(1.5, ge=1.0, le=10.0, description="factor by which the pause grows when nothing was new")
    jitter: float = Field(0.2, ge=0.0, lt=1.0, description="share of a pause that is left to chance, to spread looks")
    topic: str = Field("", description="Pub/Sub topic that Gmail pushes changes to, projects/P/topics/T; unset: none")
    watch_every_s: PositiveFloat = Field(
        86_400.0, le=500_000.0, description="seconds between renewals of Gmail's pushes, which end after seven days"
    )


class EvidenceConfig(BaseModel, frozen=True):
    """How much it takes to believe Gmail that something is gone, and how often what is stored is compared with it."""

    gone_after_s: PositiveFloat = Field(
        86_400.0, description="seconds of 404s after which a message that Gmail named, and was never stored, is gone"
    )
    check_delay_s: PositiveFloat = Field(
        600.0, description="seconds between the two 404s that a stored message's deletion takes, without a record of it"
    )
    suspect_least: PositiveInt = Field(
        100, description="messages missing from a listing that are suspect, from here on"
    )
    suspect_share: float = Field(0.05, ge=0.0, le=1.0, description="and this share of the mailbox, both")
    suspect_s: PositiveFloat = Field(86_400.0, description="seconds after which suspect deletions are looked at again")
    overlap_s: PositiveFloat = Field(
        600.0, description="seconds of history that is read again at each look, for records that Gmail tells late"
    )
    reconcile_every_s: PositiveFloat = Field(
        518_400.0, description="seconds between two comparisons of a mailbox's ids and labels with Gmail"
    )
    labels_every_s: PositiveFloat = Field(3600.0, description="seconds between two looks at the labels' names")
    grant_again_s: PositiveFloat = Field(60.0, description="seconds before a refused grant is tried again; quadruples")


class ShardConfig(BaseModel, frozen=True):
    """Limits of one shard's owner."""

    fetch_size: PositiveInt = Field(200, le=500, description="messages per fetch task")
    fetches: PositiveInt = Field(3, description="fetch tasks at a time, per shard")
    fetches_per_mailbox: PositiveInt = Field(3, description="fetch tasks at a time, per mailbox")
    calls: PositiveInt = Field(2, description="profile, list and history calls at a time, per shard")
    listed_ahead: PositiveInt = Field(2000, description="ids that a mailbox lists before it has fetched them")
    writes: PositiveInt = Field(2, description="segments written at a time, per shard")
    buffer_bytes: PositiveInt = Field(
        96 << 20, description="raw mail fetched and not yet committed, per shard; a full buffer pauses fetching"
    )
    typical_message_bytes: PositiveInt = Field(
        64 << 10, description="bytes that a message in flight is assumed to have, for the buffer's limit"
    )
    task_s: PositiveFloat = Field(
        300.0, description="seconds after which a call, a fetch or the writing of a segment is cancelled and done again"
    )
    merge_s: PositiveFloat = Field(
        3600.0, description="seconds after which a merge or an analysis of a segment is cancelled and done again"
    )
    parsing: ParseLimits = ParseLimits()
    lease_s: PositiveFloat = Field(15.0, description="seconds that a shard's lease lives without renewal")
    retry: RetryConfig = RetryConfig()
    poll: PollConfig = PollConfig()
    evidence: EvidenceConfig = EvidenceConfig()


class BackupConfig(BaseModel, frozen=True):
    """Everything that an owner of a shard needs; travels to its process as one frozen value."""

    cluster: str = Field(description="name of the cluster: its own older owners of a shard are replaced at once")
    shard: ShardConfig = ShardConfig()
    gmail: GmailConfig = GmailConfig()
    archive: ArchiveConfig = ArchiveConfig()
    analysis: AnalysisConfig = AnalysisConfig()
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
        """The configuration without the key, and with sealed passwords: Ray keeps and logs what travels.

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
