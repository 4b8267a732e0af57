"""`gbm compact`: merge the segments of shards into as few as possible, now."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.opening import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from actors.maintenance import Compacted

Shard = Annotated[int | None, typer.Option("--shard", help="Only this shard.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it is done; then tell what was merged.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was merged as JSON; waits for it.")]


@command
def compact(shard: Shard = None, wait: Wait = False, json: Json = False) -> None:
    """Merge each shard's segments into as few as possible, and try those again whose files were damaged.

    The running cluster does it beside its sync. By itself it merges what keeps readers fast; this goes further.
    """
    with open_stores(settings()) as stores:
        address = str(stores.home.recorded()["ray"])
        if shard is not None and shard not in stores.shards:
            fail(f"There is no shard {shard}: there are {len(stores.shards)}, from 0.")
        from cluster.owners import compact_shards

        shards = sorted(stores.shards) if shard is None else [shard]
        done = compact_shards(stores.home, address, shards, wait or json)
    if json:
        print_json(
            {"shards": [{"shard_id": number, "merges": [*map(asdict, merges)]} for number, merges in done.items()]}
        )
    elif wait:
        for number, merges in done.items():
            _tell(number, merges)
    else:
        notes.print(f"{len(shards)} shards will be compacted: see `gbm status`.")


def _tell(shard_id: int, merges: "list[Compacted]") -> None:
    merged = [merge for merge in merges if merge.segment is not None]
    out.print(
        f"shard {shard_id:<4} {sum(merge.parts for merge in merged)} segments became {len(merged)}: "
        f"{count(sum(merge.messages for merge in merged))} messages, "
        f"{size(sum(merge.stored_bytes for merge in merged))} stored",
        markup=False,
    )
    for merge in merges:
        for name, reason in merge.excluded:
            notes.print(f"left out: {name} ({reason}); restore its files from a copy", markup=False)
        if merge.damaged:
            notes.print(f"{count(merge.damaged)} messages in {merge.segment} are damaged: see the log", markup=False)
