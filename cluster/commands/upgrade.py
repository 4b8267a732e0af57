"""`gbm upgrade`: check, run or undo the upgrade of a home."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_databases, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.upgrade.check import UpgradeCheck


@command
def upgrade(
    check: Annotated[bool, typer.Option("--check", help="Show migrations and expected time; change nothing.")] = False,
    undo: Annotated[
        str | None, typer.Option("--undo", help="Restore this copy of the databases to return to an older version.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Upgrade this home to the installed version, or return to an older one.

    `gbm up` upgrades automatically; use this command to check an upgrade first, to upgrade without starting the
    cluster, or to undo an upgrade. The databases are copied before the first migration (GBM_UPGRADE__COPIES, kept for
    GBM_UPGRADE__KEEP_DAYS). After an upgrade, older versions refuse to open the home. --undo restores a copy, so that
    the older version can open the home again; stop the cluster first.

    Example: gbm upgrade --check
    """
    if check and undo is not None:
        fail("The options --check and --undo exclude each other: give one of them.")
    if undo is not None:
        _undo(undo, json)
        return
    from cluster.home import Home
    from cluster.upgrade.check import check as check_upgrade
    from cluster.upgrade.upgrade import upgrading
    from storage.db import migrate

    chosen = settings()
    home = Home(chosen.home)
    with open_databases(chosen) as databases:
        result = check_upgrade(chosen, home, databases)
        if not check:
            with upgrading(chosen, home, databases, _report):
                migrate.upgrade(databases, chosen.shards.count, _report)
    if json:
        print_json(result.as_json())
    elif check:
        _show(result)
    else:
        notes.print("The home is up to date.")


def _report(step: str) -> None:
    notes.print(f"upgrading: {step}", markup=False, soft_wrap=True)


def _show(check: "UpgradeCheck") -> None:
    for database in check.databases:
        pending = f"{len(database.steps)} migrations to {database.newest}, about {database.seconds:.1f} s"
        steps = pending if database.steps else "up to date"
        messages = f", {count(database.messages)} messages" if database.name != "control" else ""
        out.print(f"{database.name:<10} {database.revision or 'empty':<6} {steps}{messages}", markup=False)
    if check.copy_bytes is not None:
        out.print(
            f"copy before the upgrade: up to {size(check.copy_bytes)}, about {check.copy_seconds:.1f} s", markup=False
        )
    for program, nodes in Counter(node.program for node in check.nodes).items():
        out.print(f"{nodes} processes of gbm {program} work on the archive", markup=False)
    if newer := {kind: number for kind, number in check.formats.items() if number > 1}:
        listed = ", ".join(f"{kind} {number}" for kind, number in newer.items())
        out.print(f"formats of new files: {listed}; 1 of the others", markup=False)
    for copy in check.copies:
        out.print(f"existing copy: {copy.path.name}, {size(copy.stored_bytes)}", markup=False)
    if check.is_needed:
        notes.print(f"The upgrade takes about {check.seconds:.1f} s.")
    else:
        notes.print("No database needs an upgrade.")


def _undo(name: str, json: bool) -> None:
    from cluster.home import Home
    from cluster.upgrade.undoing import undo

    chosen = settings()
    home = Home(chosen.home)
    home.prepare()
    with home.exclusively(), open_databases(chosen) as databases:
        copy, same = undo(chosen, home, databases, name, _report)
    if json:
        print_json({"copy": str(copy.path), "taken_at": copy.taken_at.isoformat(), "archive_is_same": same})
    notes.print(f"Restored the databases as of {copy.taken_at.isoformat()}: now start the version that made the copy.")
    if not same:
        notes.print("The archive is newer than the databases: first run `gbm db rebuild --keep` of that version.")
