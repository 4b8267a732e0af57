"""Makes the reference page of events from the registry: `python -m storage.events.reference > serve/EVENTS.md`."""

import sys
from typing import Any

from storage.events.event_type import IDS_PER_EVENT, EventData
from storage.events.registry import REGISTRY

_HEAD = f"""\
# Events

What happens to a mailbox and to the cluster, in the order in which it was committed. This page is generated from the
registry (`storage/events`); the command is in `storage/events/reference.py`.

    gbm events tail ada@example.com --follow
    curl -s "localhost:8000/api/v1/events?type=email.*&limit=10" -H "Authorization: Bearer $TOKEN"
    curl -N localhost:8000/api/v1/events/stream -H "Authorization: Bearer $TOKEN"

| route | content |
|---|---|
| `GET /api/v1/events?after=&since=&type=&limit=` | your events, oldest first, in pages |
| `GET /api/v1/events/stream?type=` | your events as they happen (server-sent events); `Last-Event-ID` resumes |
| `GET /api/v1/events/types` | every type with the JSON Schema of its data |
| `GET /api/v1/admin/events`, `/stream` | events of all mailboxes that contain no mail, for operators and auditors |

An API key that is restricted to scopes needs the scope `events`. A grant to read another's mailbox does not include
it.

## Order and positions

An event is written in the transaction that it describes: it exists exactly if the change was committed. It has a
position in its shard, which is part of its id: `2-1764521234567890` is an event of shard 2. Positions are not
numbered without gaps: each is the time in microseconds, or one more than the position before. They grow in the order
of commits, because a transaction holds the shard's counter from its first event until it ends. So no event can appear
before a position that was read: continue after the last id, and nothing is missed and nothing repeated. All events of
a mailbox are in its shard (events of accounts, keys and sessions are copied there by the cluster), so they have one
order, for every reader, always.

`next_cursor` is given also when there are no more events; a client that waits continues with it. The stream sends a
heartbeat every 15 s, which moves `Last-Event-ID`, too. Between shards there is no order: a cursor of the fleet
contains a position for each shard. Of the fleet's stream, an id follows only the last event that was sent together,
so after a reconnection some events may be repeated. Events are kept for `GBM_POSTGRES__RETENTION__OUTBOX_DAYS` (30);
a position before that returns 410 (`events_expired`): read the state, then follow from the present. A move of a shard
keeps positions; so does `gbm db restore`, except that events after the backup are lost. `gbm db rebuild` begins with
an empty log.

## Format

[CloudEvents 1.0](https://cloudevents.io) in JSON: `specversion, id, source, type, time, subject, datacontenttype,
dataschema, data`. `subject` is `users/ID` or null; `time` is when the transaction began; the version of the schema is
the last part of `dataschema`. Events contain no mail text, subject, address or token. Events of mail list up to
{IDS_PER_EVENT} ids each, so one commit may publish several. A released version never changes: new fields come with a
new version.

## Delivery and webhooks

The actor `events` (`actors/event_bus.py`) delivers events to consumers: at least once, in order per user, woken by
notifications of Postgres. Offsets are stored after each batch; an event that fails `GBM_EVENTS__ATTEMPTS` times
becomes a dead letter, and the user's next event follows.

    gbm events consumers
    gbm events replay webhooks --since 2h
    gbm events dead-letters webhooks --retry all

### Webhooks

    curl -s localhost:8000/api/v1/webhooks -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
        -d '{{"url": "https://hooks.example.com/gbm", "types": ["email.*"]}}'

A webhook receives its owner's events from its creation on, by the [Standard
Webhooks](https://www.standardwebhooks.com) specification: `webhook-id` (the event's id, equal in every attempt),
`webhook-timestamp`, and `webhook-signature`, which the secret (`whsec_…`, shown once, stored sealed) verifies. The
body is the event with `timestamp`, under 20 KB; lists are left out of a larger one and named in `data.omitted`.
Receivers respond with 2xx and ignore ids that they know; the order of deliveries is not that of the events. Ten
attempts are made over three days, later if `Retry-After` says so; then the delivery has failed. 410 disables the
webhook. Redirects are not followed. URLs must be https, and every address of the host public, unless
`GBM_WEBHOOKS__ALLOW_PRIVATE` is set; the request goes to the addresses that were checked.

## Types

"fleet": operators see the type, without the fields in brackets.
"""


def render() -> str:
    """The page."""
    lines = [_HEAD, "| type | version | fleet | meaning | data |", "|---|---|---|---|---|"]
    for model in REGISTRY.all():
        meaning = " ".join((model.__doc__ or "").split())
        if model.superseded_by:
            meaning += f" Superseded by `{model.superseded_by}`."
        fleet = "yes" if model.fleet else "no"
        lines.append(f"| `{model.type}` | {model.version} | {fleet} | {meaning} | {_fields(model)} |")
    return "\n".join(lines) + "\n"


def _fields(model: type[EventData]) -> str:
    parts = []
    for name, schema in model.json_schema().get("properties", {}).items():
        description = model.model_fields[name].description
        field = f"`{name}`" if name not in model.private else f"[`{name}`]"
        parts.append(f"{field} {_kind(schema)}{f': {description}' if description else ''}")
    return "; ".join(parts) or "–"


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "array":
        return f"array of {_kind(schema['items'])}"
    return str(schema.get("type", "value"))


if __name__ == "__main__":
    sys.stdout.write(render())
