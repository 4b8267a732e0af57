"""`gbm compact`: merge small segments into large ones now."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from actors.maintenance import Compacted

Shard = Annotated[int | None, typer.Option("--shard", help="Only this shard.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the end and report the merged segments.")]
Json = Annotated[bool, typer.Option("--json", help="Print the merged segments as JSON; implies --wait.")]


@command
def compact(shard: Shard = None, wait: Wait = False, json: Json = False) -> None:
    """Merge each shard's segments into as few files as possible, on the running cluster.

    The cluster merges small segments automatically, as far as reads require. Use this to merge further, for example
    before copying the archive, or to retry segments that were excluded because of damaged files. Sync continues during
    the merge.

    Example: gbm compact --wait
    """
    with open_stores(settings()) as stores:
        address = str(stores.home.recorded()["ray"])
        if shard is not None and shard not in stores.shards:
            fail(f"Shard {shard} does not exist: choose one from 0 to {len(stores.shards) - 1}.")
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
        notes.print(f"Compaction of {len(shards)} shards started. To follow it: gbm status")


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
            notes.print(f"excluded: {name} ({reason}); restore its files from a copy", markup=False)
        if merge.damaged:
            notes.print(f"damaged: {count(merge.damaged)} messages in {merge.segment}; see the log", markup=False)
