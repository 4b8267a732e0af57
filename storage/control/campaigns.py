"""Campaigns: backfills of many mailboxes, stored in the control database so that they survive their jobs.

Repeating a request while its campaign runs, or with the same idempotency key, returns that campaign. Blocking: call
it from a thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from storage.control.wait_reasons import WaitReasons
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.events.control_types import BackfillChanged, BackfillCreated
from storage.events.publishing import CONTROL, publish
from storage.model.records import MailboxRecord, User
from storage.model.wait_reasons import WaitReason

_ALL = (1 << 63) - 1
_ERRORS_SHOWN = 100


class CampaignState(StrEnum):
    """State of a campaign."""

    RUNNING = "running"
    CANCELLING = "cancelling"  # its job is told at its next look
    CANCELLED = "cancelled"  # can be resumed
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"  # ended, but some mailboxes could not be completed; can be resumed


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign, with the number of its mailboxes by state."""

    campaign_id: int
    mode: str
    state: CampaignState
    requested_by: str
    runs: int
    created_at: datetime
    ended_at: datetime | None
    mailboxes: int
    done: int
    failed: int

    @property
    def number(self) -> int:
        """The campaign's id."""
        return self.campaign_id

    @property
    def job_id(self) -> str:
        """Id of the campaign's current Ray Job."""
        return f"backfill-{self.campaign_id}-{self.runs}"


@dataclass(frozen=True, slots=True)
class Member:
    """A mailbox of a campaign: its state at the start, and its outcome ("pending", "done", "failed")."""

    user: User
    synced_before: datetime | None = None
    listed_before: datetime | None = None
    messages_before: int = 0
    state: str = "pending"
    error: str | None = None


class UnknownCampaign(BackupError):
    """The campaign does not exist. See the list."""

    def __init__(self, campaign_id: int) -> None:
        super().__init__(campaign_id)
        self.campaign_id = campaign_id

    def __str__(self) -> str:
        return f"There is no campaign {self.campaign_id}: see `gbm backfill --list`."


class CampaignEnded(BackupError):
    """The state of the campaign does not allow the operation. See its state."""

    def __init__(self, campaign_id: int, state: str) -> None:
        super().__init__(campaign_id, state)
        self.campaign_id, self.state = campaign_id, state

    def __str__(self) -> str:
        return f"Campaign {self.campaign_id} is {self.state} already: see `gbm backfill --list`."


class IdempotencyMismatch(BackupError):
    """The idempotency key was used for another request. Use a new one."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "This Idempotency-Key was used for another request: use a new key for a new request."


class Campaigns:
    """Stores campaigns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(
        self,
        mode: str,
        members: Sequence[Member],
        requested_by: str,
        request_key: str | None = None,
        exactly: bool = True,
    ) -> tuple[Campaign, bool]:
        """Begin a campaign; return it, and False if it is an existing one with the same request or key.

        Args:
            exactly: refuse a key that was used for other mailboxes; else only one that was used for another mode.

        Raises:
            IdempotencyMismatch.
        """
        user_ids = sorted(member.user.user_id for member in members)
        fingerprint = sha256(f"{mode} {user_ids}".encode()).digest()
        same = {"request_key": request_key, "fingerprint": fingerprint}
        with transaction(self._engine) as connection:
            values = {**same, "mode": mode, "requested_by": requested_by}
            campaign_id = connection.execute(query("campaign_create"), values).scalar()
            if campaign_id is not None:
                rows = {
                    "campaign_id": campaign_id,
                    "user_ids": [member.user.user_id for member in members],
                    "synced_before": [member.synced_before for member in members],
                    "listed_before": [member.listed_before for member in members],
                    "messages_before": [member.messages_before for member in members],
                }
                connection.execute(query("campaign_mailboxes_insert"), rows)
                created = BackfillCreated(id=str(campaign_id), mode=mode, mailboxes=len(members))
                publish(connection, CONTROL, [(None, created)])
                new = True
            else:
                campaign_id = connection.execute(query("campaign_same"), same).scalar_one()
                new = False
                statement = text(
                    "SELECT request_key, fingerprint, mode FROM campaigns WHERE campaign_id = :campaign_id"
                )
                row = connection.execute(statement, {"campaign_id": campaign_id}).one()
                differs = row.mode != mode or (exactly and bytes(row.fingerprint) != fingerprint)
                if request_key is not None and row.request_key == request_key and differs:
                    raise IdempotencyMismatch
        return self.get(campaign_id), new

    def get(self, campaign_id: int) -> Campaign:
        """One campaign.

        Raises:
            UnknownCampaign.
        """
        campaigns = self._select(campaign_id, _ALL, 1, False)
        if not campaigns:
            raise UnknownCampaign(campaign_id)
        return campaigns[0]

    def newest(self, limit: int, before: int | None = None) -> list[Campaign]:
        """Campaigns with ids below `before`, newest first."""
        return self._select(None, before or _ALL, limit, False)

    def running(self) -> list[Campaign]:
        """Campaigns that have not ended, newest first."""
        return self._select(None, _ALL, 1000, True)

    def newest_id(self) -> int:
        """The highest id of a campaign; 0 if there is none."""
        with transaction(self._engine) as connection:
            return int(connection.execute(text("SELECT coalesce(max(campaign_id), 0) FROM campaigns")).scalar_one())

    def begun_after(self, campaign_id: int) -> list[Campaign]:
        """Running campaigns with higher ids, oldest first; one lookup in the primary key if there are none."""
        statement = text("SELECT campaign_id FROM campaigns WHERE campaign_id > :after AND state = :state ORDER BY 1")
        with transaction(self._engine) as connection:
            values = {"after": campaign_id, "state": CampaignState.RUNNING}
            begun = list(connection.execute(statement, values).scalars())
        return [self.get(found) for found in begun]

    def members(self, campaign_id: int) -> list[Member]:
        """The campaign's mailboxes, ordered by address."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("campaign_mailboxes"), {"campaign_id": campaign_id})
            return [
                Member(
                    User(row.user_id, row.email, row.shard_id),
                    row.synced_before,
                    row.listed_before,
                    row.messages_before,
                    row.state,
                    row.error,
                )
                for row in rows
            ]

    def elsewhere(self, campaign_id: int) -> set[int]:
        """User ids of pending mailboxes that another running campaign also has to complete."""
        with transaction(self._engine) as connection:
            return set(connection.execute(query("campaign_elsewhere"), {"campaign_id": campaign_id}).scalars())

    def record(self, campaign_id: int, done: Sequence[int], errors: Mapping[int, str]) -> None:
        """Record completed mailboxes, and failed ones with their errors, by user id."""
        ended = [
            *((user_id, "done", None) for user_id in done),
            *((key, "failed", said) for key, said in errors.items()),
        ]
        if not ended:
            return
        user_ids, states, texts = zip(*ended, strict=True)
        values = {"campaign_id": campaign_id, "user_ids": [*user_ids], "states": [*states], "errors": [*texts]}
        with transaction(self._engine) as connection:
            connection.execute(query("campaign_mailboxes_end"), values)

    def run(self, campaign_id: int) -> Campaign:
        """Record that a job will be submitted, which gives the job a new id. A campaign that is being cancelled
        stays in that state, and the new job completes the cancellation.

        Raises:
            UnknownCampaign, CampaignEnded.
        """
        among = (CampaignState.RUNNING, CampaignState.CANCELLED, CampaignState.INCOMPLETE)
        campaign = self.get(campaign_id)
        if campaign.state in (CampaignState.CANCELLED, CampaignState.INCOMPLETE):
            self._reopen(campaign_id)
        if campaign.state is CampaignState.CANCELLING:
            self._move(campaign_id, (CampaignState.CANCELLING,), CampaignState.CANCELLING, run=1)
        else:
            self._move(campaign_id, among, CampaignState.RUNNING, run=1)
        return self.get(campaign_id)

    def cancel(self, campaign_id: int) -> Campaign:
        """Request the campaign's job to stop.

        Raises:
            UnknownCampaign, CampaignEnded.
        """
        self._move(campaign_id, (CampaignState.RUNNING, CampaignState.CANCELLING), CampaignState.CANCELLING)
        return self.get(campaign_id)

    def end(self, campaign_id: int, state: CampaignState) -> None:
        """Record the final state of a campaign.

        Raises:
            CampaignEnded: another job has ended the campaign.
        """
        self._move(campaign_id, (CampaignState.RUNNING, CampaignState.CANCELLING), state, ended=True)

    def _move(
        self, campaign_id: int, among: Sequence[CampaignState], state: CampaignState, run: int = 0, ended: bool = False
    ) -> None:
        values = {"campaign_id": campaign_id, "among": [*among], "state": state, "ended": ended, "run": run}
        try:
            with transaction(self._engine) as connection:
                moved = connection.execute(query("campaign_move"), values).first()
                if moved is not None:
                    changed = BackfillChanged(id=str(campaign_id), state=state.value, run=moved.runs)
                    publish(connection, CONTROL, [(None, changed)])
        except IntegrityError as exc:
            raise CampaignEnded(campaign_id, "taken up by a newer one that runs") from exc
        if moved is None:
            raise CampaignEnded(campaign_id, self.get(campaign_id).state)

    def _reopen(self, campaign_id: int) -> None:
        """Set failed mailboxes back to pending; completed ones are unchanged."""
        with transaction(self._engine) as connection:
            connection.execute(query("campaign_reopen"), {"campaign_id": campaign_id})

    def _select(self, campaign_id: int | None, before: int, limit: int, running: bool) -> list[Campaign]:
        values = {"campaign_id": campaign_id, "before": before, "limit": limit, "running": running}
        with transaction(self._engine) as connection:
            rows = connection.execute(query("campaigns"), values)
            return [Campaign(**{**row._mapping, "state": CampaignState(row.state)}) for row in rows]


def states_of(databases: Databases, shards: Mapping[int, int], users: Sequence[User]) -> dict[int, MailboxRecord]:
    """Sync states by user id, with one query per shard database. Mailboxes that were never opened are omitted.

    Args:
        shards: shard -> index of its database.
    """
    by_database: dict[int, list[int]] = {}
    for user in users:
        by_database.setdefault(shards[user.shard_id], []).append(user.user_id)
    states = {}
    for index, user_ids in by_database.items():
        with transaction(databases.shard_database(index)) as connection:
            for row in connection.execute(query("mailbox_states"), {"user_ids": user_ids}):
                states[row.user_id] = MailboxRecord.of(row._asdict())
    return states


def missing_of(databases: Databases, shards: Mapping[int, int], users: Sequence[User]) -> int:
    """Number of listed messages of these mailboxes that are not stored.

    Args:
        shards: shard -> index of its database.
    """
    by_database: dict[int, list[int]] = {}
    for user in users:
        by_database.setdefault(shards[user.shard_id], []).append(user.user_id)
    count = 0
    for index, user_ids in by_database.items():
        with transaction(databases.shard_database(index)) as connection:
            count += sum(row.missing for row in connection.execute(query("failed_counts"), {"user_ids": user_ids}))
    return count


def campaign_status(campaign: Campaign, databases: Databases, shards: Mapping[int, int]) -> dict[str, Any]:
    """A campaign for display: {id, state, mode, mailboxes, done, failed, messages, estimate, eta_s, …}.

    eta_s: estimated seconds to the end at the campaign's average speed; None if unknown or ended.
    """
    members = Campaigns(databases.control).members(campaign.campaign_id)
    states = states_of(databases, shards, [member.user for member in members]).values()
    messages = sum(state.messages for state in states)
    estimate = sum(max(state.estimate, state.messages) for state in states)
    new = messages - sum(member.messages_before for member in members)
    seconds = (datetime.now(UTC) - campaign.created_at).total_seconds()
    eta_s = (estimate - messages) * seconds / new if new > 0 and campaign.ended_at is None else None
    return {
        "id": str(campaign.campaign_id),
        "state": campaign.state.value,
        "mode": campaign.mode,
        "requested_by": campaign.requested_by,
        "created_at": campaign.created_at,
        "ended_at": campaign.ended_at,
        "job_id": campaign.job_id,
        "mailboxes": campaign.mailboxes,
        "done": campaign.done,
        "failed": campaign.failed,
        "missing": missing_of(databases, shards, [member.user for member in members]),
        "messages": messages,
        "new_messages": new,
        "estimate": estimate,
        "size_bytes": sum(state.size_bytes for state in states),
        "eta_s": eta_s,
        "waits": [reason.as_json() for reason in _waits(campaign, databases, members)],
        "errors": [
            {"email": member.user.email, "error": member.error} for member in members if member.state == "failed"
        ][:_ERRORS_SHOWN],
    }


def _waits(campaign: Campaign, databases: Databases, members: Sequence[Member]) -> list[WaitReason]:
    """Reasons for which pending mailboxes or their shards wait, longest wait first."""
    pending = [member.user for member in members if member.state not in ("done", "failed")]
    if campaign.ended_at is not None or not pending:
        return []
    reasons = WaitReasons(databases.control)
    return reasons.of([*{user.shard_id for user in pending}], [user.user_id for user in pending])[:_ERRORS_SHOWN]
