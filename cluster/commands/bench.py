"""`gbm bench`: measurements that anyone can repeat."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cluster.console import command, count, out, print_json
from cluster.opening import settings

app = typer.Typer(help="Measure. Machines differ and are noisy: compare runs of one machine.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure. Machines differ and are noisy: compare runs of one machine."""


@app.command()
@command
def ingest(
    mail: Annotated[list[Path] | None, typer.Option(help="Mail to resample; generated if none is named.")] = None,
    mailboxes: Annotated[int, typer.Option(min=1, help="Mailboxes.")] = 20,
    messages: Annotated[int, typer.Option(min=1, help="Messages in all.")] = 10_000,
    quota_profile: Annotated[
        Literal["legacy", "standard", "unlimited"], typer.Option(help="Gmail's limits to keep.")
    ] = "unlimited",
    latency_ms: Annotated[float, typer.Option(min=0, help="Milliseconds before each of Gmail's answers.")] = 0.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a backfill from listing to committed segments, in a home of its own."""
    from cluster.bench import bench_ingest

    result = bench_ingest(settings(), mail or [], mailboxes, messages, quota_profile, latency_ms)
    if json:
        print_json(result.as_json())
        return
    out.print(f"{count(result.messages)} messages of {result.mailboxes} mailboxes in {result.seconds:.1f} s")
    out.print(
        f"  {result.messages_per_s:,.0f} messages/s   {result.megabytes_per_s:.1f} MB/s   {result.segments} segments"
    )
    out.print(f"  our CPU per message {result.our_cpu_ms:.3f} ms (owners and tasks); by kind:")
    for kind, used in sorted(result.cpu_ms.items()):
        out.print(f"    {kind:<10} {used:8.3f} ms   peak {result.peak_memory_mb.get(kind, 0):8.0f} MB resident")
    if result.quota_used is not None:
        out.print(f"  {result.quota_used:.1%} of the users' quota ({result.quota_profile})")
