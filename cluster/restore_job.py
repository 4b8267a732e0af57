"""A restore at work: plans it once, creates labels, imports messages, and records what became of each.

    python -m cluster.restore_job --home FOLDER --restore ID

Runs as a Ray Job. Killed, it leaves intents; the next run looks for the messages that these are of.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.decisions import Mode
from actors.tokens import Tokens
from cluster.restore_planning import Plan, brought_up_to_date, label_steps, plan, raw_of, target_mail
from cluster.restore_ports import Machine, OwnerQuota, RestoreNotAllowed, TargetCalls, TargetTokens
from cluster.session import connect_from_job
from cluster.settings import load
from cluster.stores import Stores, open_stores
from jobs.gmail.errors import GmailError, GmailRefused, GrantRevoked
from jobs.gmail.service_account import RELABEL_SCOPES, RESTORE_SCOPES
from jobs.gmail.transport import Transport
from jobs.gmail.writes import GmailWriter
from jobs.restoring.driver import RestoreDriver
from jobs.restoring.label_creation import TargetLabels
from jobs.restoring.planning import threads_of
from jobs.restoring.restore import Patience
from storage.control.restore_records import LabelOutcome, Restore, RestoreConflict, RestoreState, Selection
from storage.control.restores import Restores
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.model.records import User


def main() -> int:
    """Work on one restore; 0 when every message has come back, or it was told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(prog="cluster.restore_job")
    parser.add_argument("--home", required=True, help="GBM_HOME of the cluster")
    parser.add_argument("--restore", required=True, type=int, help="id of the restore")
    parser.add_argument("--run", required=True, type=int, help="number of this run: a newer one replaces it")
    arguments = parser.parse_args()
    try:
        with open_stores(load(home=Path(arguments.home))) as stores:
            connect_from_job(stores.home)
            return asyncio.run(_run(stores, arguments.restore, arguments.run))
    except BackupError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a restore into one mailbox works with."""

    machine: Machine
    quota: OwnerQuota
    tokens: TargetTokens
    gmail: GmailWriter
    calls: TargetCalls
    sync: Callable[[], Awaitable[None]]  # asks for a sync of the target


@asynccontextmanager
async def workshop(stores: Stores, target: User, selection: Selection) -> AsyncIterator[Workshop]:
    """Open what a restore needs. This process is connected to the cluster, whose owners say where Gmail is."""
    from actors.remote.client import ShardClient

    scopes = RELABEL_SCOPES if selection.relabel else RESTORE_SCOPES
    client = ShardClient()
    config = await client.gmail(target.shard_id)
    tokens = Tokens(stores.control, stores.sealer, config, scope=scopes)
    machine = Machine(stores.settings.restore.concurrency + 4)
    transport = Transport(config)
    quota, holder = OwnerQuota(client, target), TargetTokens(tokens, target)
    gmail = GmailWriter(config, transport)
    try:
        calls = TargetCalls(gmail, quota, holder, machine)
        yield Workshop(machine, quota, holder, gmail, calls, lambda: client.request(target, Mode.INCREMENTAL))
    except GmailRefused as exc:
        if exc.status == 403:
            raise RestoreNotAllowed(target.email, exc.reason) from exc
        raise
    except GrantRevoked as exc:
        raise RestoreNotAllowed(target.email, str(exc)) from exc
    finally:
        machine.close()
        transport.close()


async def planned(stores: Stores, source: User, target: User, selection: Selection, shop: Workshop) -> Plan:
    """The plan, from a backup of the target that is as current as it can be made."""
    reader, config = stores.reader(target), stores.settings.restore
    await brought_up_to_date(shop.sync, lambda: state.synced_at if (state := reader.state()) else None, config.sync_s)
    return await plan(stores, source, target, selection, shop.calls, config.unknown)


async def _run(stores: Stores, restore_id: int, run: int) -> int:
    restores = Restores(stores.databases.control)
    restore = restores.get(restore_id)
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        async with workshop(stores, restore.target, restore.selection) as shop:
            state = await work(stores, restores, restore, shop, run)
        error = None
    except asyncio.CancelledError:  # the next job goes on
        return 1
    except RestoreConflict as exc:  # it has begun already
        sys.stderr.write(f"{exc}\n")
        return 1
    except BackupError as exc:
        if _passes(exc):  # the supervisor submits the next job
            sys.stderr.write(f"{exc}\n")
            _tell(restores, restore_id, run, str(exc))
            return 1
        state, error = RestoreState.PAUSED, str(exc)
    return close(restores, restore_id, run, state, error)


def close(restores: Restores, restore_id: int, run: int, state: RestoreState, error: str | None) -> int:
    """Record how a run ended; its exit code. What must go on stays as it is, for the supervisor's next run."""
    now = restores.get(restore_id)
    if state is RestoreState.COMPLETE and now.left:
        sys.stderr.write(f"{now.left} messages of restore {restore_id} are left for the next run\n")
        return 1
    if state is RestoreState.COMPLETE and now.failed:
        state = RestoreState.INCOMPLETE
    if state is RestoreState.PAUSED and now.state is RestoreState.CANCELLING:
        state = RestoreState.CANCELLED
    try:
        restores.end(restore_id, run, state, error)
    except RestoreConflict as exc:  # replaced by a newer run, or told otherwise meanwhile
        sys.stderr.write(f"{exc}\n")
        return 1
    sys.stdout.write(f"{state}: {now.done} restored, {now.present} were there, {now.failed} failed\n")
    if error:
        sys.stderr.write(f"{error}\n")
    return 0 if error is None and state is not RestoreState.INCOMPLETE else 1


def _tell(restores: Restores, restore_id: int, run: int, error: str) -> None:
    """Let those who look at the restore see what keeps it from going on."""
    try:
        restores.note(restore_id, run, error)
    except DatabaseUnreachable as exc:
        sys.stderr.write(f"{exc}\n")


def _passes(failure: BackupError) -> bool:
    """Whether what keeps a restore from going on ends by itself."""
    from actors.remote.client import ShardUnavailable

    if isinstance(failure, GmailError):
        return failure.retryable
    return isinstance(failure, DatabaseUnreachable | ShardUnavailable)


async def work(stores: Stores, restores: Restores, restore: Restore, shop: Workshop, run: int) -> RestoreState:
    """Do what is left of a restore; the state to end in.

    Raises:
        RestoreConflict: a newer run works on it.
        BackupError: it cannot go on now.
    """
    if restore.state is not RestoreState.RUNNING:  # told to stop before it began
        return RestoreState.CANCELLED if restore.state is RestoreState.CANCELLING else RestoreState.PAUSED
    if restore.planned_at is None:
        made = await planned(stores, restore.source, restore.target, restore.selection, shop)
        await asyncio.to_thread(restores.plan, restore.restore_id, made.messages)
        messages, threads, held = made.messages, made.threads, made.held
    else:  # mail that its backup does not know yet is mostly what has been restored
        messages = await asyncio.to_thread(restores.messages, restore.restore_id)
        held, _, _ = await target_mail(stores, restore.target, shop.calls)
        threads = threads_of(messages, held, restore.source.user_id == restore.target.user_id)
    steps = await label_steps(stores, restore.source, restore.selection, messages, shop.calls)
    config = stores.settings.restore
    known = await asyncio.to_thread(restores.labels, restore.restore_id)

    def record(outcome: LabelOutcome) -> None:
        restores.save_label(restore.restore_id, outcome)

    labels = TargetLabels(shop.calls, known, {key: has.labels for key, has in held.items()}, record)
    await labels.prepare(steps)
    await asyncio.to_thread(restores.note, restore.restore_id, run, None)  # what kept the last run is over
    driver = RestoreDriver(
        restore.restore_id,
        restores,
        shop.gmail,
        labels,
        raw_of(stores, restore.source, restore.selection),
        shop.quota,
        shop.tokens,
        shop.machine,
        Patience(settle_s=config.settle_s, looks=config.looks, attempts=config.attempts),
        config.concurrency,
        run,
    )
    return await driver.run(messages, threads)


if __name__ == "__main__":
    sys.exit(main())
