"""`gbm search`: search a mailbox from the command line. Works without a running cluster."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cluster.console import command, notes, out, print_json
from cluster.lazy_imports import open_stores, settings
from storage.model.mail_query import MailQuery

if TYPE_CHECKING:
    from storage.model.results import EmailSummary, Page, RankedPage
    from storage.query.highlighting import Highlight

AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="TIME", help="The mailbox as it was: 2026-10-01, 2026-10-01T12:30Z, 3d (ago)."),
]

#: An argument with one of these characters is query syntax and is not quoted.
_UNQUOTED = frozenset('"(){}')


@command
def search(
    email: Annotated[str, typer.Argument(help="The mailbox's address.")],
    query: Annotated[
        list[str], typer.Argument(help="Gmail's search language: words, from:, subject:, label:, after:, -word.")
    ],
    limit: Annotated[int, typer.Option(min=1, max=500, help="Maximum number of messages.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Continue after an earlier page.")] = None,
    spam_trash: Annotated[bool, typer.Option(help="Include Spam and Trash.")] = False,
    deleted: Annotated[bool, typer.Option(help="Search mail deleted in Gmail.")] = False,
    as_of: AsOf = None,
    by: Annotated[Literal["date", "relevance"], typer.Option(help="Order: newest first or best match first.")] = "date",
    highlights: Annotated[bool, typer.Option(help="Show the matching text.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Search a mailbox in Gmail's search language.

    A message matches if all terms match; OR, { }, ( ) and -( ) group terms as in Gmail. A single argument is a whole
    query. Of several arguments, each is one term, and an argument with spaces is a phrase unless it is a group. Works
    without a running cluster.

    Example: gbm search ada@example.com from:grace "weekly report" -draft has:attachment after:2026/01/31
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
        notes.print(f"Next page: --cursor {token}", markup=False)
    elif not page.items:
        notes.print("No messages match.")


def as_query(arguments: list[str]) -> str:
    """Build a query from command-line arguments, quoting phrases whose quotation marks the shell removed."""
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
    """Highlights of a message, in the gateway's JSON format."""
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
    """A message of a list, in the gateway's JSON format."""
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
