"""`gbm failures`: what of the mailboxes is not as Gmail has it, and why."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.console import command, fail, notes, out, print_json
from cluster.opening import open_stores, settings

if TYPE_CHECKING:
    from cluster.stores import Stores
    from storage.model.records import User

Words = Annotated[list[str] | None, typer.Argument(metavar="[retry] [EMAIL ...]", help="Mailboxes; none: all.")]


@command
def failures(
    words: Words = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Messages at most.")] = 500,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what could not be backed up: since when, how often it was tried, when next, and why.

    `gbm failures retry EMAIL` tries a mailbox's failed messages again now, and looks at once at deletions that are
    suspect.
    """
    retries, emails = words is not None and words[:1] == ["retry"], list(words or ())
    if retries:
        _retry(emails[1:])
    else:
        _show(emails, limit, json)


def _retry(emails: Sequence[str]) -> None:
    if not emails:
        fail("Name the mailboxes whose failed messages are to be tried again.")
    with open_stores(settings()) as stores:
        address = str(stores.home.recorded()["ray"])
        users = [stores.control.user(email) for email in emails]
        from cluster.owners import retry_failed

        retry_failed(stores.home, address, users)
    notes.print(f"What failed is tried again now: see `gbm failures {' '.join(emails)}`.", markup=False)


def _show(emails: Sequence[str], limit: int, json: bool) -> None:
    from storage.mailbox.failures import failures as failures_of

    with open_stores(settings()) as stores:
        users = [stores.control.user(email) for email in emails] or stores.control.users()
        email_of = {user.user_id: user.email for user in users}
        items = [
            {"email": email_of[failed.user_id], **asdict(failed)}
            for index, user_ids in _by_database(stores, users).items()
            for failed in failures_of(stores.databases.shard_database(index), user_ids, limit)
        ][:limit]
    for item in items:
        del item["user_id"]
    if json:
        print_json({"items": items})
        return
    for item in items:
        upcoming = item["next_attempt_at"]
        again = f"next {upcoming:%Y-%m-%d %H:%M}" if upcoming else "found by a comparison only"
        out.print(
            f"{item['email']:<32} {item['id']:<18} {item['kind']:<10} since {item['since']:%Y-%m-%d %H:%M}  "
            f"{item['attempts']} attempts, {again}  {item['reason']}",
            markup=False,
        )
    if not items:
        notes.print("Nothing failed.")


def _by_database(stores: "Stores", users: "Sequence[User]") -> dict[int, list[int]]:
    by_database: defaultdict[int, list[int]] = defaultdict(list)
    for user in users:
        by_database[stores.shards[user.shard_id]].append(user.user_id)
    return by_database
