"""`gbm analyze`: have analysers asked about mail that was stored before, or by earlier versions of them."""

from typing import Annotated

import typer

from cluster.console import command, fail, notes, out, print_json
from cluster.opening import open_stores, settings

Emails = Annotated[list[str] | None, typer.Argument(help="Addresses of mailboxes.")]
All = Annotated[bool, typer.Option("--all", help="Every mailbox.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Only this analyser; may be repeated.")]
Wait = Annotated[bool, typer.Option("--wait", help="Until it is done; Ctrl-C stops only the waiting.")]
Json = Annotated[bool, typer.Option("--json", help="Print what was analysed as JSON; waits for it.")]


@command
def analyze(
    emails: Emails = None, everybody: All = False, only: Only = None, wait: Wait = False, json: Json = False
) -> None:
    """Analyse what is stored as far as it is not, or was by earlier versions of analysers.

    The running cluster does it beside its sync, file by file, whose other mailboxes' mail is analysed along. What is
    done is not done again: run it as often as you like, also after a crash.
    """
    if bool(emails) == everybody:
        fail("Name mailboxes, or say --all.")
    with open_stores(settings()) as stores:
        address = str(stores.home.recorded()["ray"])
        shards: dict[int, list[int] | None] = dict.fromkeys(sorted(stores.shards)) if everybody else {}
        for email in emails or ():
            user = stores.control.user(email)
            users = shards.setdefault(user.shard_id, []) or []
            shards[user.shard_id] = [*users, user.user_id]
        from cluster.session import analyse_shards

        done: dict[int, int] = {}

        def tell(shard_id: int, segments: int) -> None:
            done[shard_id] = segments
            if wait and not json:
                out.print(f"shard {shard_id:<4} {segments} segments analysed ({len(done)} of {len(shards)} shards)")

        analyse_shards(stores.home, address, shards, only or (), wait or json, tell)
    if json:
        print_json(
            {"shards": [{"shard_id": number, "segments": segments} for number, segments in sorted(done.items())]}
        )
    elif not wait:
        notes.print(f"{len(shards)} shards will be analysed as far as they are not.")
