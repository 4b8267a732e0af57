"""`gbm status`: the state of the cluster, its shards and its mailboxes."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cluster.console import command, count, notes, out, print_json
from cluster.home import NotRunning
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import size


@command
def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the cluster, today's quota use, shards and mailboxes.

    Use it to see how far a backup is and which mailboxes have errors. Without a running cluster, it shows the state in
    the databases.

    Example: gbm status --json
    """
    from cluster.gateway_watch import fault_of
    from cluster.overview import overview

    with open_stores(settings()) as stores:
        try:
            running: dict[str, object] | None = stores.home.recorded()
        except NotRunning as exc:
            running = None
            notes.print(str(exc), markup=False)
        document = overview(stores, running, datetime.now(UTC))
        fault = document["gateway_fault"] = fault_of(str(running["api"])) if running and "api" in running else None
    if json:
        print_json(document)
        return
    if running:
        process = f"  (process {running['pid']})" if "pid" in running else ""
        out.print(f"API        {running.get('api', 'not known')}{process}", markup=False)
        if fault:
            out.print(f"           does not answer ({fault}): a replica that hangs is replaced within a minute")
        out.print(f"Dashboard  {running['dashboard']}", markup=False)
    quota = document["quota"]
    billed = f" of {count(quota['threshold'])} before billing" if quota["threshold"] else ""
    warning = ""
    if quota["passes_threshold"] and quota["paced"]:
        warning = f"  {count(quota['free_left'])} free units left today: the rest waits, no charges"
    elif quota["passes_threshold"]:
        warning = f"  [red]Google will bill {count(quota['billed_by_midnight'])} units: slow down backfills[/red]"
    out.print(
        f"Quota      {count(quota['spent'])} units on {quota['day']} (Pacific), "
        f"{count(quota['per_minute'])} per minute; forecast for midnight {count(quota['by_midnight'])}{billed}{warning}"
    )
    if quota["profile_warning"]:
        out.print(f"           [red]{quota['profile_warning']}[/red]")
    programs = Counter(node["program"] for node in document["nodes"])
    if len(programs) > 1:
        listed = ", ".join(f"{nodes} processes of gbm {program}" for program, nodes in programs.items())
        out.print(f"Versions   {listed}: new file formats wait for the older ones", markup=False)
    for shard in document["shards"]:
        owed = f"  {size(shard['debt_bytes'])} to merge" if shard["debt_bytes"] else ""
        owed += f"  {shard['excluded_segments']} damaged: see the log" if shard["excluded_segments"] else ""
        out.print(
            f"shard {shard['shard_id']:<4} database {shard['database']}  epoch {shard['epoch'] or '-':<5} "
            f"{'owned' if shard['owned'] else 'unowned':<8} {shard['users']} mailboxes  "
            f"{count(shard['messages'])} messages  "
            f"{shard['segments']} segments ({shard['open_segments']} small)  "
            f"{size(shard['stored_bytes'])} stored{owed}",
            markup=False,
        )
        _print_waits(shard["waits"])
    for mailbox in document["mailboxes"]:
        lag = f"synced {mailbox['lag_s']:.0f} s ago" if mailbox["lag_s"] is not None else "first sync incomplete"
        failed = f"  {mailbox['failed']} failed" if mailbox["failed"] else ""
        error = f"  {mailbox['error']}" if mailbox["error"] else ""
        out.print(
            f"{mailbox['email']:<36} {mailbox['phase']:<8} {count(mailbox['messages'])}/{count(mailbox['estimate'])} "
            f"messages  {lag}{failed}{error}",
            markup=False,
        )
        _print_waits(mailbox["waits"])


def _print_waits(waits: list[dict[str, Any]]) -> None:
    for wait in waits:
        again = f"; next attempt {wait['next_attempt_at']}" if wait["next_attempt_at"] else ""
        out.print(
            f"  waiting since {wait['since']} ({wait['kind']}, {wait['attempts']} attempts{again}): {wait['detail']}: "
            f"{wait['remedy']}",
            markup=False,
        )
