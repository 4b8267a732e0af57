"""`gbm events consumers`, `replay` and `dead-letters`: what the event bus has delivered, and delivering it again."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@command
def consumers(json: Json = False) -> None:
    """List the consumers of events with their offsets, their lag and their dead letters."""
    from storage.events.consumers import ConsumerStore
    from storage.events.log import FleetEvents
    from storage.events.stored_event import event_id

    with open_stores(settings()) as stores:
        states = ConsumerStore(stores.databases.control).all()
        heads = FleetEvents(stores.databases, lambda: stores.shards, stores.databases.retention.outbox_days).heads()
    if json:
        print_json([{**asdict(state), "head": heads.get(state.shard_id, 0)} for state in states])
        return
    for state in states:
        lag_s = max(heads.get(state.shard_id, 0) - state.position, 0) / 1e6
        behind = f"behind: {lag_s:,.1f} s between the last event handled and the last published" if lag_s else "current"
        place = event_id(state.shard_id, state.position)
        out.print(f"{state.consumer:<12} {place:<26} {behind}; {count(state.dead)} dead letters", markup=False)
    if not states:
        notes.print("No consumers yet: the event bus records them when the cluster starts.")


@command
def replay(
    consumer: Annotated[str, typer.Argument(help="Name of the consumer; see `gbm events consumers`.")],
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Deliver events since 2026-10-01, 2026-10-01T12:30Z, 3d (ago).")
    ] = None,
    after: Annotated[str | None, typer.Option(help="Deliver the events of one shard after this event id.")] = None,
) -> None:
    """Deliver events to a consumer again, from a time or from an event on.

    Consumers handle an event twice with the effect of once: webhooks receive no event a second time.

    Example: gbm events replay webhooks --since 2h
    """
    from cluster.times import moment
    from storage.events.consumers import ConsumerStore
    from storage.events.stored_event import parse_id, position_of

    if (since is None) == (after is None):
        fail("Give either --since or --after.")
    with open_stores(settings()) as stores:
        store = ConsumerStore(stores.databases.control)
        if after is not None:
            positions = dict([parse_id(after)])
        else:
            first = max(position_of(moment(since or "", datetime.now(UTC))), 0)
            present = store.offsets(consumer)
            positions = {shard_id: min(first, offset.position) for shard_id, offset in present.items()}
        store.replay(consumer, positions)
    notes.print(f"{consumer} continues after {len(positions)} changed offsets.", markup=False)


@command
def dead_letters(
    consumer: Annotated[str | None, typer.Argument(help="Name of the consumer; by default all.")] = None,
    retry: Annotated[str | None, typer.Option(metavar="ID", help='Deliver this event again, or "all".')] = None,
    delete: Annotated[str | None, typer.Option(metavar="ID", help='Delete this dead letter, or "all".')] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of dead letters.")] = 100,
    json: Json = False,
) -> None:
    """List the events that a consumer could not handle, deliver them again, or delete them.

    Example: gbm events dead-letters webhooks --retry all
    """
    from storage.events.consumers import ConsumerStore
    from storage.events.stored_event import parse_id

    if (retry or delete) and consumer is None:
        fail("Name the consumer whose dead letters are delivered again or deleted.")
    if retry and delete:
        fail("Give either --retry or --delete.")
    with open_stores(settings()) as stores:
        store = ConsumerStore(stores.databases.control)
        if consumer is not None and (chosen := retry or delete):
            key = None if chosen == "all" else parse_id(chosen)
            number = store.retry(consumer, key) if retry else store.delete(consumer, key)
            notes.print(f"{count(number)} dead letters are {'delivered again' if retry else 'deleted'}.")
            return
        letters = store.dead_letters(consumer, limit)
    if json:
        print_json(
            [
                {
                    "consumer": letter.consumer,
                    "event": letter.event.cloud_event(fleet=True),
                    "attempts": letter.attempts,
                    "error": letter.error,
                    "failed_at": letter.failed_at,
                }
                for letter in letters
            ]
        )
        return
    for letter in letters:
        failed_at = letter.failed_at.strftime("%Y-%m-%d %H:%M:%S")
        what = f"{letter.consumer:<12} {letter.event.id:<26} {letter.event.type:<24} {failed_at}"
        out.print(f"{what}  after {letter.attempts} attempts: {letter.error[:200]}", markup=False)
    if not letters:
        notes.print("No dead letters.")
