"""A backfill campaign: asks the owners for a sync of many mailboxes and waits until each is done. Runs as a Ray Job.

    python -m cluster.campaign --home FOLDER [--full] EMAIL ...

Killed, it loses nothing: the owners go on, and a new campaign finds what is done.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from actors.decisions import Mode
from cluster.progress import Watch
from cluster.session import connect_from_job
from cluster.settings import load
from cluster.stores import Stores, open_stores
from storage.errors import BackupError
from storage.records import Phase, User

_POLL_S = 0.5
_ASK_AGAIN_S = 10.0
#: Owners restart within seconds; a campaign outlasts that.
_PATIENCE_S = 120.0


def main() -> int:
    """Run one campaign; 0 when every mailbox is complete."""
    parser = argparse.ArgumentParser(prog="cluster.campaign")
    parser.add_argument("emails", nargs="*")
    parser.add_argument("--home", required=True, help="GBM_HOME of the cluster")
    parser.add_argument("--full", action="store_true", help="list complete mailboxes anew")
    arguments = parser.parse_args()
    try:
        with open_stores(load(home=Path(arguments.home))) as stores:
            users = [stores.control.user(email) for email in arguments.emails]
            connect_from_job()
            return asyncio.run(_run(stores, users, arguments.full))
    except BackupError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1


async def _run(stores: Stores, users: list[User], full: bool) -> int:
    watch = Watch(stores, users)
    modes = {user: Mode.FULL if full else await asyncio.to_thread(_mode, stores, user) for user in users}
    asked = 0.0
    while True:
        progress = await asyncio.to_thread(watch.look)
        if progress.ended:
            break
        if time.monotonic() - asked > _ASK_AGAIN_S:
            # An owner that was replaced has forgotten what it was asked; asking again changes nothing otherwise.
            asked = time.monotonic()
            for user in progress.pending:
                await _request(user, modes[user])
            _report(f"{len(users) - len(progress.pending)} of {len(users)} mailboxes, {progress.messages} messages")
        await asyncio.sleep(_POLL_S)
    _report(f"{len(users)} mailboxes, {progress.messages} messages")
    for email, error in progress.errors.items():
        sys.stderr.write(f"{email}: {error}\n")
    return 1 if progress.errors else 0


def _mode(stores: Stores, user: User) -> Mode:
    state = stores.reader(user).state()
    return Mode.INCREMENTAL if state is not None and state.phase is Phase.CURRENT else Mode.FULL


def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _request(user: User, mode: Mode) -> None:
    from actors.remote import ShardClient, ShardUnavailable

    client, patience = ShardClient(), time.monotonic() + _PATIENCE_S
    while True:
        try:
            return await client.request(user, mode)
        except ShardUnavailable:
            if time.monotonic() > patience:
                raise
            await asyncio.sleep(_POLL_S)


if __name__ == "__main__":
    sys.exit(main())
