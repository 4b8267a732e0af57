"""`gbm accounts`: which mailboxes are backed up, and with whose consent."""

from pathlib import Path
from typing import Annotated

import typer

from cluster.console import command, notes, out, print_json
from cluster.opening import open_stores, settings
from storage.errors import BackupError

app = typer.Typer(help="Add, list and remove the mailboxes to back up.", no_args_is_help=True)

_LARGEST_FILE = 64 << 10


class FileUnreadable(BackupError):
    """A file that was named cannot be read. Correct its name or permissions."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"The file {self.path} cannot be read ({self.reason}): correct its name or permissions."


class InvalidAddress(BackupError):
    """Not an e-mail address. Correct it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"{self.text!r} is not an e-mail address: write NAME@DOMAIN."


def checked_address(text: str) -> str:
    """An address in lower case.

    Raises:
        InvalidAddress.
    """
    name, _, domain = text.strip().rpartition("@")
    if not name or "." not in domain or len(text) > 320 or not text.isprintable() or any(map(str.isspace, text)):
        raise InvalidAddress(text)
    return text.strip().lower()


@app.command()
@command
def add(
    email: Annotated[str, typer.Argument(help="The mailbox's address.")],
    authorized_user: Annotated[
        Path, typer.Option(help="Google's authorized-user JSON file, with the owner's refresh token.")
    ],
) -> None:
    """Back a mailbox up from now on; an account that is known gets the new grant.

    The file's content is sealed in Postgres; the file itself is not needed afterwards.
    """
    address = checked_address(email)
    try:
        with authorized_user.open("rb") as file:
            content = file.read(_LARGEST_FILE)
    except OSError as exc:
        raise FileUnreadable(str(authorized_user), exc.strerror or str(exc)) from exc
    with open_stores(settings()) as stores:
        user = stores.add_account(address, content)
    notes.print(f"{user.email} is on shard {user.shard_id}; next: gbm backfill {user.email} --wait")


@app.command(name="list")
@command
def list_accounts(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show all mailboxes with what is stored of each."""
    with open_stores(settings()) as stores:
        rows = []
        for user in stores.control.users():
            state = stores.reader(user).state()
            rows.append(
                {
                    "email": user.email,
                    "shard": user.shard_id,
                    "phase": state.phase.value if state else "new",
                    "messages": state.messages if state else 0,
                    "size_bytes": state.size_bytes if state else 0,
                    "synced_at": state.synced_at.isoformat() if state and state.synced_at else None,
                    "error": state.error if state else None,
                }
            )
    if json:
        print_json(rows)
        return
    for row in rows:
        trouble = f"  {row['error']}" if row["error"] else ""
        out.print(f"{row['email']:<40} {row['phase']:<8} {row['messages']:>10,} messages{trouble}", markup=False)


@app.command()
@command
def remove(email: Annotated[str, typer.Argument(help="The mailbox's address.")]) -> None:
    """Back a mailbox up no more and forget its grant. Its mail stays."""
    with open_stores(settings()) as stores:
        stores.control.remove_user(stores.control.user(email).user_id)
    notes.print(f"{email} is backed up no more; what is stored stays.", markup=False)
