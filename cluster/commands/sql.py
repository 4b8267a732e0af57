"""`gbm sql`: query a mailbox in SQL. Works without a running cluster."""

from typing import Annotated

import typer

from cluster.console import command, notes, out, print_json
from cluster.lazy_imports import open_stores, settings

_WIDEST = 60


@command
def sql(
    email: Annotated[str, typer.Argument(help="The mailbox's address.")],
    question: Annotated[str, typer.Argument(help="One SELECT statement, as one argument.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Query a mailbox in DuckDB's SQL, read-only.

    Views: messages, recipients, labels, label_events, attachments, analysis, acquaintances. Ids are Gmail's hexadecimal
    ids; times are UTC. The query runs in a sandboxed process that can read this mailbox's data and nothing else. Works
    without a running cluster.

    Example: gbm sql ada@example.com "SELECT from_address, count(*) AS n FROM messages GROUP BY 1 ORDER BY n DESC"
    """
    from rich.table import Table
    from rich.text import Text

    from jobs.rendering.tables import csv_of, rows_of
    from storage.sql_sandbox.process import ask

    with open_stores(settings()) as stores:
        config = settings().serve.sandbox
        table, cut = ask(question, stores.reader(stores.control.user(email)).views, config)
    rows = rows_of(table)
    if json:
        print_json({"items": [dict(zip(table.column_names, row, strict=True)) for row in rows], "truncated": cut})
    elif as_csv:
        typer.echo(csv_of(table), nl=False)
    else:
        drawn = Table(box=None, pad_edge=False, header_style="bold")
        for name in table.column_names:
            drawn.add_column(Text(name))
        for row in rows:
            drawn.add_row(*(Text(_shown(value)) for value in row))
        out.print(drawn)
    if cut:
        notes.print(f"Only the first {len(rows):,} rows are shown. To raise the limit, set GBM_SERVE__SANDBOX__ROWS.")


def _shown(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
