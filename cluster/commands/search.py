"""`gbm search`: find mail from the command line. Needs no running cluster."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cluster.console import command, notes, out, print_json
from cluster.opening import open_stores, settings
from storage.model.mail_query import MailQuery

if TYPE_CHECKING:
    from storage.model.results import EmailSummary, Page, RankedPage
    from storage.query.highlighting import Highlight

AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="TIME", help="As it was at 2026-10-01, 2026-10-01T12:30Z, or 3d ago.")
]

#: An argument that has one of these is spelled as it is meant.
_UNQUOTED = frozenset('"(){}')


@command
def search(
    email: Annotated[str, typer.Argument(help="The mailbox's address.")],
    query: Annotated[list[str], typer.Argument(help="Gmail's language: words, from:, subject:, label:, after:, -x …")],
    limit: Annotated[int, typer.Option(min=1, max=500, help="Messages at most.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on where a former page ended.")] = None,
    spam_trash: Annotated[bool, typer.Option(help="Search Spam and Trash too.")] = False,
    deleted: Annotated[bool, typer.Option(help="Search mail that Gmail has no longer.")] = False,
    as_of: AsOf = None,
    by: Annotated[Literal["date", "relevance"], typer.Option(help="Newest first, or best first.")] = "date",
    highlights: Annotated[bool, typer.Option(help="Show where the words stand.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find messages, newest or best first. All terms must hold; OR, { }, ( ) and -( ) group them as in Gmail.

    Example: gbm search ada@example.com from:grace "weekly report" -draft has:attachment after:2026/01/31

    One argument is a whole search; of several, each is a term, and one with spaces is a phrase unless it is a group.
    """
    from cluster.times import optional
    from storage.model.results import PageCursor, RankCursor

    moment = optional(as_of, datetime.now(UTC))
    with open_stores(settings()) as stores:
        reader = stores.reader(stores.control.user(email))
        text = as_query(query)
        mail_query = MailQuery(text, (), spam_trash, deleted, moment)
        page: Page | RankedPage
        if by == "relevance":
            rank = RankCursor.decode(cursor) if cursor else None
            page = reader.best(mail_query, limit, rank)
        else:
            after = PageCursor.decode(cursor) if cursor else None
            page = reader.emails(mail_query, limit, after)
        pieces = reader.highlights(text, [item.id for item in page.items]) if highlights else {}
    token = page.next.encode() if page.next else None
    if json:
        items = [as_json(item) for item in page.items]
        if highlights:
            items = [{**item, "highlights": pieces_json(pieces.get(str(item["id"]), []))} for item in items]
        print_json({"items": items, "next_cursor": token})
        return
    for item in page.items:
        out.print(f"{item.date:%Y-%m-%d} {item.id:<16} {item.sender[:32]:<32} {item.subject[:90]}", markup=False)
        for piece in pieces.get(item.id, []):
            out.print(f"    {piece.fragment.text}", markup=False)
    if token:
        notes.print(f"There is more: --cursor {token}", markup=False)
    elif not page.items:
        notes.print("Nothing matches.")


def as_query(arguments: list[str]) -> str:
    """The search that a command line means: the shell has taken away the quotation marks of phrases."""
    if len(arguments) == 1:
        return arguments[0]
    return " ".join(_term(argument) for argument in arguments)


def _term(argument: str) -> str:
    if not _UNQUOTED.isdisjoint(argument) or not any(map(str.isspace, argument)):
        return argument
    operator, colon, value = argument.partition(":")
    if colon and operator.lstrip("-").isalnum():
        return f'{operator}:"{value}"'
    minus = "-" if argument.startswith("-") else ""
    return f'{minus}"{argument.removeprefix("-")}"'


def pieces_json(pieces: "Sequence[Highlight]") -> list[dict[str, object]]:
    """Pieces of a message, as the gateway spells them."""
    return [
        {
            "field": piece.field,
            "text": piece.fragment.text,
            "offset": piece.fragment.offset,
            "hits": piece.fragment.hits,
        }
        for piece in pieces
    ]


def as_json(item: "EmailSummary") -> dict[str, object]:
    """A message of a list, as the gateway spells it."""
    return {
        "id": item.id,
        "thread_id": item.thread_id,
        "date": item.date.isoformat(),
        "from": item.sender,
        "to": item.to,
        "cc": item.cc,
        "subject": item.subject,
        "snippet": item.snippet,
        "labels": item.labels,
        "size_bytes": item.size_bytes,
        "has_attachment": item.has_attachment,
        "deleted_at": item.deleted_at.isoformat() if item.deleted_at else None,
        "defects": item.defects,
    }
