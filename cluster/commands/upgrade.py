"""`gbm upgrade`: what an upgrade of this home would do, the upgrade itself, and the way back."""

from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.opening import open_databases, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.upgrade.check import UpgradeCheck


@command
def upgrade(
    check: Annotated[bool, typer.Option("--check", help="Only say what would be done, and how long it takes.")] = False,
    undo: Annotated[
        str | None, typer.Option("--undo", help="Go back to this copy of the databases, for the older version.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Bring this home to the version of this program, as `gbm up` does first; go back by the copy that it took.

    Before the first migration the databases are copied (GBM_UPGRADE__COPIES, kept for GBM_UPGRADE__KEEP_DAYS). An older
    program refuses the home from then on. With --undo the databases are as the copy has them, and the version that it
    was taken from opens the home again; the cluster must not run.
    """
    if check and undo is not None:
        fail("Say --check or --undo, not both.")
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
        found = check_upgrade(chosen, home, databases)
        if not check:
            with upgrading(chosen, home, databases, _tell):
                migrate.upgrade(databases, chosen.shards.count, _tell)
    if json:
        print_json(found.as_json())
    elif check:
        _show(found)
    else:
        notes.print("The home is up to date.")


def _tell(what: str) -> None:
    notes.print(f"upgrading: {what}", markup=False, soft_wrap=True)


def _show(found: "UpgradeCheck") -> None:
    for one in found.databases:
        what = f"{len(one.steps)} migrations to {one.newest}, about {one.seconds:.1f} s" if one.steps else "up to date"
        held = f", {count(one.messages)} messages" if one.name != "control" else ""
        out.print(f"{one.name:<10} {one.revision or 'empty':<6} {what}{held}", markup=False)
    if found.copy_bytes is not None:
        out.print(f"a copy before takes up to {size(found.copy_bytes)}, about {found.copy_seconds:.1f} s", markup=False)
    for copy in found.copies:
        out.print(f"kept: {copy.path.name}, {size(copy.stored_bytes)}", markup=False)
    told = f"An upgrade takes about {found.seconds:.1f} s." if found.is_needed else "No database needs an upgrade."
    notes.print(told)


def _undo(name: str, json: bool) -> None:
    from cluster.home import Home
    from cluster.upgrade.undoing import undo

    chosen = settings()
    home = Home(chosen.home)
    home.prepare()
    with home.exclusively(), open_databases(chosen) as databases:
        copy, same = undo(chosen, home, databases, name, _tell)
    if json:
        print_json({"copy": str(copy.path), "taken_at": copy.taken_at.isoformat(), "archive_is_same": same})
    notes.print(f"The databases are as of {copy.taken_at.isoformat()}: start the version that they were copied from.")
    if not same:
        notes.print("The archive is newer: run that version's `gbm db rebuild --keep` first.")
