"""The Ray Job of `gbm analyze`: makes shard owners analyse stored segments, and survives their restarts.

    python -m cluster.analysis --home FOLDER [--only NAME ...] SHARD[:USER,...] ...

A killed job loses nothing: committed results stay, and the next run processes the rest.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cluster.session import connect_from_job
from cluster.settings import load
from cluster.stores import open_stores
from storage.errors import BackupError

_ASK_AGAIN_S = 2.0
#: Seconds to wait for an owner; owners restart within seconds.
_PATIENCE_S = 120.0
#: Of one shard.
_LONGEST_S = 7 * 86_400.0


def main() -> int:
    """Run one analysis; return 0 if everything is analysed."""
    parser = argparse.ArgumentParser(prog="cluster.analysis")
    parser.add_argument("--home", required=True, help="GBM_HOME of the cluster")
    parser.add_argument("--only", action="append", default=[], help="an analyser; none: all")
    parser.add_argument("shards", nargs="+", help="a shard, or the shard of some users: SHARD:USER,USER")
    arguments = parser.parse_args()
    try:
        with open_stores(load(home=Path(arguments.home))) as stores:
            connect_from_job(stores.home)
            asyncio.run(_run([_shard(text) for text in arguments.shards], arguments.only))
    except BackupError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def argument(shard_id: int, user_ids: Sequence[int] | None) -> str:
    """Format a shard as an argument of this command."""
    return str(shard_id) if user_ids is None else f"{shard_id}:{','.join(map(str, user_ids))}"


def _shard(text: str) -> tuple[int, list[int] | None]:
    shard, _, users = text.partition(":")
    return int(shard), [int(user) for user in users.split(",")] if users else None


async def _run(shards: Sequence[tuple[int, list[int] | None]], only: Sequence[str]) -> None:
    await asyncio.gather(*(_one(shard_id, user_ids, only) for shard_id, user_ids in shards))


async def _one(shard_id: int, user_ids: list[int] | None, only: Sequence[str]) -> None:
    from actors.remote.client import ShardClient, ShardUnavailable

    client = ShardClient(timeout_s=_LONGEST_S)
    answered = time.monotonic()
    while True:
        asked = time.monotonic()
        try:
            segments = await client.analyse(shard_id, only, user_ids, True)
        except ShardUnavailable:
            answered = max(answered, asked)  # the owner was available until this call
            if time.monotonic() - answered > _PATIENCE_S:
                raise
            await asyncio.sleep(_ASK_AGAIN_S)
            continue
        sys.stdout.write(f"shard {shard_id}: {segments} segments analysed\n")
        sys.stdout.flush()
        return


if __name__ == "__main__":
    sys.exit(main())
