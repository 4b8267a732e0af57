"""`gbm events`: list and follow events. Works without a running cluster."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.commands import event_consumers
from cluster.console import command, notes, out, print_json
from cluster.lazy_imports import open_stores, settings

if TYPE_CHECKING:
    from cluster.stores import Stores
    from storage.events.log import FleetEvents, UserEvents
    from storage.events.stored_event import StoredEvent

app = typer.Typer(help="List, follow and replay events.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
app.command()(event_consumers.consumers)
app.command()(event_consumers.replay)
app.command(name="dead-letters")(event_consumers.dead_letters)
#: Seconds between two looks for new events.
_EVERY_S = 0.5


@app.command()
@command
def tail(
    email: Annotated[
        str | None, typer.Argument(help="A mailbox's address; by default all events that contain no mail.")
    ] = None,
    after: Annotated[str | None, typer.Option(help="Only events after this id or cursor.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only events since 2026-10-01, 2026-10-01T12:30Z, 3d (ago).")
    ] = None,
    type: Annotated[
        str | None, typer.Option(help='Only these types, such as "email.*,account.added"; see `gbm events types`.')
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of events.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with new events until Ctrl-C.")] = False,
    json: Json = False,
) -> None:
    """List the events of a mailbox or of the whole cluster, oldest first.

    With --follow, list events from now on, or from --after or --since on. With --follow --json, print one CloudEvent
    per line.

    Example: gbm events tail ada@example.com --since 1h --type "email.*"
    """
    from cluster.times import optional
    from storage.events.registry import REGISTRY

    types, start = REGISTRY.selected(type), optional(since, datetime.now(UTC))
    with open_stores(settings()) as stores:
        feed, fleet = _feed(stores, email), email is None
        beginning = feed.present() if follow and start is None else feed.start(start)
        if follow:
            _follow(feed, after or beginning, types, fleet, json)
        page = feed.page(after or beginning, types, limit)
    if json:
        items = [event.cloud_event(fleet) for event in page.items]
        print_json({"items": items, "next_cursor": page.cursor, "has_more": page.full})
        return
    for event in page.items:
        _print(event, fleet)
    if page.full:
        notes.print(f"Next page: --after {page.cursor}", markup=False)
    elif not page.items:
        notes.print("No events.")


@app.command()
@command
def types(json: Json = False) -> None:
    """List the types of events.

    Example: gbm events types
    """
    from storage.events.registry import REGISTRY

    models = REGISTRY.all()
    if json:
        print_json(
            [{"type": model.type, "version": model.version, "data_schema": model.json_schema()} for model in models]
        )
        return
    for model in models:
        summary = " ".join((model.__doc__ or "").split())
        out.print(f"{model.type:<28} {model.version:>2}  {summary}", markup=False)


def _feed(stores: "Stores", email: str | None) -> "UserEvents | FleetEvents":
    from storage.events.log import FleetEvents, UserEvents

    keep_days = stores.databases.retention.outbox_days
    if email is None:
        return FleetEvents(stores.databases, lambda: stores.shards, keep_days)
    user = stores.control.user(email)
    engine = stores.databases.shard_database(stores.shards[user.shard_id])
    return UserEvents(user.user_id, user.shard_id, engine, keep_days)


def _follow(feed: "UserEvents | FleetEvents", cursor: str, types: list[str] | None, fleet: bool, json: bool) -> None:
    """Print events for ever."""
    import orjson

    while True:
        page = feed.page(cursor, types, 500)
        cursor = page.cursor
        for event in page.items:
            if json:
                out.print(orjson.dumps(event.cloud_event(fleet)).decode(), markup=False)
            else:
                _print(event, fleet)
        if not page.full:
            time.sleep(_EVERY_S)


def _print(event: "StoredEvent", fleet: bool) -> None:
    document = event.cloud_event(fleet)
    data = " ".join(f"{name}={_short(value)}" for name, value in document["data"].items())
    at = event.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    out.print(f"{event.id:<22} {at}  {document['subject'] or '-':<12} {event.type:<26} {data}", markup=False)


def _short(value: object) -> str:
    if isinstance(value, list):
        return f"({len(value)})"
    return str(value)[:80]
