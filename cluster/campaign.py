"""Runs a campaign: requests syncs of its mailboxes from the owners, a few at a time, and records the outcomes.

    python -m cluster.campaign --home FOLDER --campaign ID

Runs as a Ray Job. A killed job loses nothing: the owners continue, and the next run requests only the rest.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actors.decisions import Mode
from cluster.progress import Progress, Watch
from cluster.session import connect_from_job
from cluster.settings import load
from cluster.stores import Stores, open_stores
from cluster.sync_requests import SyncRequests, by_shard
from storage.control.accounts import MailboxPaused
from storage.control.campaigns import CampaignEnded, Campaigns, CampaignState
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.model.records import User

if TYPE_CHECKING:
    from actors.remote.client import ShardClient

_POLL_S = 0.5
#: Seconds within which an owner that is being replaced must obey a cancellation.
_PATIENCE_S = 120.0


def main() -> int:
    """Run one campaign; return 0 if every mailbox is complete."""
    parser = argparse.ArgumentParser(prog="cluster.campaign")
    parser.add_argument("--home", required=True, help="GBM_HOME of the cluster")
    parser.add_argument("--campaign", required=True, type=int, help="id of the campaign")
    arguments = parser.parse_args()
    try:
        with open_stores(load(home=Path(arguments.home))) as stores:
            connect_from_job(stores.home)
            return asyncio.run(_Run(stores, arguments.campaign).run())
    except BackupError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1


class _Run:
    """One run of a campaign."""

    def __init__(self, stores: Stores, campaign_id: int) -> None:
        from actors.remote.client import ShardClient

        self._stores, self._campaigns = stores, Campaigns(stores.databases.control)
        self._campaign = self._campaigns.get(campaign_id)
        self._members = self._campaigns.members(campaign_id)
        self._mode = Mode(self._campaign.mode)
        self._watch = Watch(stores, self._members, self._mode is not Mode.INCREMENTAL)
        self._client = ShardClient()
        self._requests = SyncRequests(lambda user: self._client.request(user, self._mode), self._paused, _tell_failing)
        self._recorded = {member.user.user_id for member in self._members if member.state == "done"}
        self._stopping = False

    async def run(self) -> int:
        """Run until the end, a cancellation or a stop. Survives a restart of PostgreSQL."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop)
        away = ""
        while not self._stopping:
            try:
                ended = await self._step()
                away = ""
            except DatabaseUnreachable as exc:
                ended = None
                if str(exc) != away:
                    _report(f"waits: {exc}")
                away = str(exc)
            if ended is not None:
                return ended
            await asyncio.sleep(_POLL_S)
        await self._requests.close()
        return 1

    async def _step(self) -> int | None:
        """One poll; return the exit code once the campaign has ended."""
        progress = await asyncio.to_thread(self._watch.look)
        await asyncio.to_thread(self._record, progress)
        if progress.ended:
            await self._requests.close()
            return self._end(progress)
        if await asyncio.to_thread(self._is_cancelled):
            await self._requests.close()
            return await self._cancel(progress)
        self._requests.offer(progress.pending)
        return None

    def _stop(self) -> None:
        self._stopping = True

    def _record(self, progress: Progress) -> None:
        done = [user_id for user_id in progress.done if user_id not in self._recorded]
        errors = {user_id: text for user_id, text in progress.errors.items() if user_id not in self._recorded}
        if done or errors:
            self._campaigns.record(self._campaign.campaign_id, done, errors)
            self._recorded.update(done, errors)
            _report(
                f"{len(self._members) - len(progress.pending)} of {len(self._members)} mailboxes, "
                f"{progress.messages} messages"
            )

    def _is_cancelled(self) -> bool:
        return self._campaigns.get(self._campaign.campaign_id).state is not CampaignState.RUNNING

    def _paused(self, user: User, exc: MailboxPaused) -> None:
        self._campaigns.record(self._campaign.campaign_id, [], {user.user_id: str(exc)})
        self._watch.give_up(user.user_id, str(exc))

    async def _cancel(self, progress: Progress) -> int:
        others = await asyncio.to_thread(self._campaigns.elsewhere, self._campaign.campaign_id)
        mine = by_shard(user for user in progress.pending if user.user_id not in others)
        silent = [text for text in await asyncio.gather(*(self._stop_all(users) for users in mine.values())) if text]
        for text in silent:
            sys.stderr.write(f"{text}\n")
        self._close(CampaignState.CANCELLED)
        _report(f"cancelled with {len(progress.pending)} mailboxes left")
        return 1

    async def _stop_all(self, users: Sequence[User]) -> str | None:
        """Stop the mailboxes of one shard; return the error, if any."""
        patience = time.monotonic() + _PATIENCE_S
        for user in users:
            while True:
                try:
                    if user.user_id in self._requests.asked or await _is_active(self._client, user):
                        await self._client.stop(user)
                    break
                except BackupError as exc:  # its owner is being replaced
                    if time.monotonic() > patience:
                        return str(exc)
                    await asyncio.sleep(_POLL_S)
        return None

    def _end(self, progress: Progress) -> int:
        self._close(CampaignState.INCOMPLETE if progress.errors else CampaignState.COMPLETE)
        for error in progress.errors.values():
            sys.stderr.write(f"{error}\n")
        return 1 if progress.errors else 0

    def _close(self, state: CampaignState) -> None:
        try:
            self._campaigns.end(self._campaign.campaign_id, state)
        except CampaignEnded as exc:  # another run did it first
            sys.stderr.write(f"{exc}\n")


def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _is_active(client: "ShardClient", user: User) -> bool:
    """Whether the owner works on the mailbox: an earlier job may have requested it."""
    status = await client.status(user)
    return status is not None and bool(status["active"])


def _tell_failing(shard_id: int, failure: BackupError | None) -> None:
    _report(f"shard {shard_id} waits: {failure}" if failure else f"shard {shard_id} continues")


if __name__ == "__main__":
    sys.exit(main())
