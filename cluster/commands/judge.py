"""`gbm judge`: correct what the analysers say of a message. Works without a running cluster."""

from typing import Annotated

import typer

from cluster.console import command, fail, notes, print_json
from cluster.lazy_imports import open_stores, settings


@command
def judge(
    email: Annotated[str, typer.Argument(help="The mailbox's address.")],
    message: Annotated[str, typer.Argument(metavar="ID", help="Gmail's message id, hexadecimal.")],
    category: Annotated[str | None, typer.Option(help="The category, such as work or newsletter.")] = None,
    priority: Annotated[str | None, typer.Option(help="low, normal or high.")] = None,
    spam: Annotated[bool | None, typer.Option("--spam/--not-spam", help="Whether it is spam.")] = None,
    withdraw: Annotated[bool, typer.Option(help="Withdraw what was said before.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Correct the category or priority of a message, or say whether it is spam.

    Replaces what was said of the message before, decides over Gmail's labels and every analyser, and counts for other
    mail of the same address. Later versions of the analysers do not change it.

    Example: gbm judge ada@example.com 1ff82eaf9621e873 --category work --priority high
    """
    from storage.mailbox.corrections import judge as record
    from storage.model.judgement import CATEGORIES, PRIORITIES, Judgement
    from storage.model.message_id import from_hex

    if category not in (None, *CATEGORIES):
        fail(f"{category!r} is no category: choose from {', '.join(CATEGORIES)}; for spam, give --spam.")
    if priority not in (None, *PRIORITIES):
        fail(f"{priority!r} is no priority: choose from {', '.join(PRIORITIES)}.")
    judgement = Judgement(category, priority, spam, by="command line")
    if judgement.is_empty != withdraw:
        fail("Give --category, --priority, --spam or --not-spam, or --withdraw alone.")
    try:
        message_id = from_hex(message)
    except ValueError:
        fail(f"{message!r} is no message id: copy one from `gbm search {email} QUERY --json`.")
    with open_stores(settings()) as stores:
        user = stores.control.user(email)
        kept = record(stores.catalog(user).engine, user.user_id, message_id, judgement)
    if kept is None:
        fail(f"The backup of {email} has no message {message}.")
    if json:
        said = {"category": kept.category, "priority": kept.priority, "spam": kept.spam, "by": kept.by, "at": kept.at}
        print_json({"id": message, **said})
        return
    notes.print("Withdrawn." if kept.is_empty else "Recorded.", markup=False)
