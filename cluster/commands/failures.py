"""`gbm failures`: messages that could not be backed up, and their retry."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings

if TYPE_CHECKING:
    from cluster.stores import Stores
    from storage.model.records import User

Words = Annotated[
    list[str] | None, typer.Argument(metavar="[retry] [EMAIL ...]", help="Addresses of mailboxes; all by default.")
]


@command
def failures(
    words: Words = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of messages.")] = 500,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List messages that could not be backed up, with reason, number of attempts and time of the next attempt.

    `gbm failures retry EMAIL` retries a mailbox's failed messages now, and rechecks unconfirmed deletions.

    Example: gbm failures ada@example.com
    """
    retries, emails = words is not None and words[:1] == ["retry"], list(words or ())
    if retries:
        _retry(emails[1:])
    else:
        _show(emails, limit, json)


def _retry(emails: Sequence[str]) -> None:
    if not emails:
        fail("No mailbox to retry: run `gbm failures retry EMAIL`.")
    with open_stores(settings()) as stores:
        address = str(stores.home.recorded()["ray"])
        users = [stores.control.user(email) for email in emails]
        from cluster.owners import retry_failed

        retry_failed(stores.home, address, users)
    notes.print(f"Retrying failed messages. To follow: gbm failures {' '.join(emails)}", markup=False)


def _show(emails: Sequence[str], limit: int, json: bool) -> None:
    from storage.files.blobs import open_blobs
    from storage.files.kept_answers import KeptAnswers
    from storage.mailbox.failures import failures as failures_of

    with open_stores(settings()) as stores:
        users = [stores.control.user(email) for email in emails] or stores.control.users()
        kept = KeptAnswers(open_blobs(stores.config.archive.uri))
        email_of = {user.user_id: user.email for user in users}
        items = [
            {"email": email_of[failed.user_id], **asdict(failed)}
            for index, user_ids in _by_database(stores, users).items()
            for failed in failures_of(stores.databases.shard_database(index), user_ids, limit, kept)
        ][:limit]
    for item in items:
        del item["user_id"]
    if json:
        print_json({"items": items})
        return
    for item in items:
        upcoming = item["next_attempt_at"]
        again = f"next {upcoming:%Y-%m-%d %H:%M}" if upcoming else "retried by `gbm sync --reconcile` only"
        out.print(
            f"{item['email']:<32} {item['id']:<18} {item['kind']:<10} since {item['since']:%Y-%m-%d %H:%M}  "
            f"{item['attempts']} attempts, {again}  {item['reason']}",
            markup=False,
        )
    if not items:
        notes.print("No failures.")


def _by_database(stores: "Stores", users: "Sequence[User]") -> dict[int, list[int]]:
    by_database: defaultdict[int, list[int]] = defaultdict(list)
    for user in users:
        by_database[stores.shards[user.shard_id]].append(user.user_id)
    return by_database
