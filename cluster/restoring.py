"""Begins restores, has Ray Jobs work on them, and shows how far they are."""

import asyncio
import sys
import time
from functools import partial
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.console import count, notes
from cluster.home import Home
from cluster.session import joined
from cluster.stores import Stores
from cluster.submitting import submit_restore
from jobs.gmail.quota_costs import cost
from jobs.rendering.units import size
from jobs.restoring.planning import difference
from storage.control.restore_records import Restore, RestoreState, Selection
from storage.control.restores import Restores
from storage.db.engines import DatabaseUnreachable
from storage.files.blobs import FileDamaged
from storage.model.message_id import to_hex
from storage.model.records import User

_POLL_S = 0.5


def restore_command(home: Home) -> list[str]:
    """The command that works on a restore, but for the restore's id."""
    return [sys.executable, "-m", "cluster.restore_job", "--home", str(home.root), "--restore"]


def start(stores: Stores, restore: Restore) -> Restore:
    """Have a Ray Job work on a restore, submitted unless one is alive; later, if others have to end before.

    Raises:
        RayUnavailable, JobRefused, RestoreConflict.
    """
    restores, dashboard = Restores(stores.databases.control), str(stores.home.recorded()["dashboard"])
    at_once = stores.settings.restore.at_once
    return submit_restore(stores.home, dashboard, restore_command(stores.home), restores, restore, at_once)


def show(stores: Stores, restore_id: int, by: str) -> Restore:
    """Show a restore's progress until it stops. Ctrl-C pauses it and waits for that; a second one does not wait.

    The supervisor of the cluster submits its job again if that dies.
    """
    restores = Restores(stores.databases.control)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        console=notes,
        refresh_per_second=4,
    )
    with bar:
        task = bar.add_task("Planning", total=None, figures="")
        began, before = time.monotonic(), restores.get(restore_id).done
        while True:
            try:
                restore = _looked(restores, restore_id)
                seconds = max(time.monotonic() - began, 0.001)
                rate = (restore.done - before) / seconds
                left = f" · {restore.left / rate:.0f} s left" if rate > 0 and restore.at_work else ""
                figures = (
                    f"{count(restore.total - restore.left)}/{count(restore.total)} · {size(restore.size_bytes)} · "
                    f"{rate:.1f} msg/s · {count(restore.present)} there · {count(restore.failed)} failed{left}"
                )
                what = "Restoring" if restore.planned_at else "Planning" if restore.runs else "Waiting for others"
                total = restore.total if restore.planned_at else None
                bar.update(task, description=what, total=total, completed=restore.total - restore.left, figures=figures)
                if not restore.at_work:
                    return restore
                time.sleep(_POLL_S)
            except KeyboardInterrupt:
                if restores.get(restore_id).state is not RestoreState.RUNNING:
                    raise
                restores.pause(restore_id, by)
                notes.print(f"Pausing. To go on: gbm restore --resume {restore_id}")


def _looked(restores: Restores, restore_id: int) -> Restore:
    while True:
        try:
            return restores.get(restore_id)
        except DatabaseUnreachable as exc:
            notes.print(f"waits: {exc}", markup=False)
            time.sleep(_POLL_S)


def dry_run(stores: Stores, source: User, target: User, selection: Selection) -> dict[str, Any]:
    """What a restore would do, message by message, and what would come back differently. Writes nothing.

    Raises:
        RayUnavailable, TargetUnknown, RestoreNotAllowed, and what reading raises.
    """
    with joined(stores.home, str(stores.home.recorded()["ray"])):
        return asyncio.run(_foreseen(stores, source, target, selection))


async def _foreseen(stores: Stores, source: User, target: User, selection: Selection) -> dict[str, Any]:
    from cluster.restore_job import planned, workshop
    from cluster.restore_planning import label_steps, raw_of

    async with workshop(stores, target, selection) as shop:
        made = await planned(stores, source, target, selection, shop)
        steps = await label_steps(stores, source, selection, made.messages, shop.calls)
    raw = raw_of(stores, source, selection)
    different: list[dict[str, str]] = []
    for message in made.messages:
        reasons = [message.detail] if message.detail else []
        if message.state == "pending":
            try:
                reasons.append(difference(raw(message), message.received_at) or "")
            except FileDamaged as exc:
                reasons.append(str(exc))
        if "CHAT" in message.labels and message.state == "pending":
            reasons.append("a chat comes back as a message")
        if reason := "; ".join(filter(None, reasons)):
            different.append({"id": to_hex(message.message_id), "reason": reason})
    states = [message.state for message in made.messages]
    gmail = stores.settings.gmail
    units = partial(cost, gmail.profile, overrides=gmail.cost_overrides)
    labels = [
        {"name": step.label.name or step.label.id, "as": step.name, "outcome": step.outcome, "detail": step.detail}
        for step in steps
        if not step.is_parent and step.outcome != "kept"
    ]
    return {
        "selected": len(states),
        "imported": states.count("pending"),
        "size_bytes": sum(message.size_bytes for message in made.messages if message.state == "pending"),
        "present": states.count("present") + states.count("relabel"),
        "relabelled": states.count("relabel"),
        "impossible": states.count("failed"),
        "units": units("messages.import", states.count("pending")) + units("messages.modify", states.count("relabel")),
        "labels": labels,
        "different": different,
        "never": "classification labels stay in the archive and do not come back",
    }
