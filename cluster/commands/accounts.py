"""`gbm accounts`: the mailboxes to back up and their credentials."""

import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cluster.console import command, notes, out, print_json
from cluster.home import NotRunning
from cluster.lazy_imports import open_stores, settings
from storage.errors import BackupError

app = typer.Typer(help="Add, list, pause and remove mailboxes.", no_args_is_help=True)

_LARGEST_FILE = 64 << 10


class FileUnreadable(BackupError):
    """A file named on the command line cannot be read. Correct its name or permissions."""

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
    """Return an address in lower case.

    Raises:
        InvalidAddress.
    """
    name, _, domain = text.strip().rpartition("@")
    if not name or "." not in domain or len(text) > 320 or not text.isprintable() or any(map(str.isspace, text)):
        raise InvalidAddress(text)
    return text.strip().lower()


def _content(path: Path) -> bytes:
    """Return the content of a small file.

    Raises:
        FileUnreadable.
    """
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError as exc:
        raise FileUnreadable(str(path), exc.strerror or str(exc)) from exc


@app.command()
@command
def add(
    email: Annotated[str, typer.Argument(help="The mailbox's address.")],
    authorized_user: Annotated[
        Path, typer.Option(help="Google's authorized-user JSON file, with a refresh token of the mailbox's owner.")
    ],
) -> None:
    """Add a mailbox, with credentials from a file.

    Use this if you already have a refresh token; otherwise use `gbm accounts login`. The credentials are encrypted in
    Postgres and the file is no longer needed. Adding a known mailbox again replaces its credentials.

    Example: gbm accounts add ada@example.com --authorized-user grant.json
    """
    address = checked_address(email)
    content = _content(authorized_user)
    with open_stores(settings()) as stores:
        user = stores.add_account(address, content)
    notes.print(f"Added {user.email} (shard {user.shard_id}). Next: gbm backfill {user.email} --wait")


@app.command()
@command
def login(
    email: Annotated[str, typer.Argument(help="The mailbox's address.")],
    client: Annotated[Path, typer.Option(help="JSON file of an OAuth client of type Desktop app.")],
    browser: Annotated[bool, typer.Option(help="Open the consent page in the browser of this machine.")] = True,
    timeout_s: Annotated[float, typer.Option(min=1, help="Seconds to wait for consent.")] = 300.0,
    restore: Annotated[bool, typer.Option("--restore", help="Ask for what `gbm restore` needs, too.")] = False,
    relabel: Annotated[bool, typer.Option("--relabel", help="As --restore, and for `gbm restore --labels`.")] = False,
) -> None:
    """Add a mailbox, with its owner's consent in a browser on this machine.

    The owner signs in at Google and allows read access; the credentials are encrypted in Postgres. To get the client
    file, open the Google Cloud console: APIs & Services, Credentials, Create credentials, OAuth client ID. Running this
    for a known mailbox replaces its credentials.

    A restore writes into the mailbox, so --restore asks for more: to insert mail and to create labels (gmail.insert,
    gmail.labels); --relabel also to change the labels of mail that is there (gmail.modify).

    Example: gbm accounts login ada@example.com --client client.json
    """
    from cluster.consent import ConsentPort
    from jobs.gmail.login import Login, OAuthClient
    from jobs.gmail.service_account import MAIL_SCOPE, RELABEL_SCOPES, RESTORE_SCOPES

    address, content = checked_address(email), _content(client)
    oauth_client = OAuthClient.parse(content)
    scope = RELABEL_SCOPES if relabel else RESTORE_SCOPES if restore else MAIL_SCOPE
    with open_stores(settings()) as stores, ConsentPort() as port:
        attempt = Login(oauth_client, stores.config.gmail, address, port.uri, scope)
        notes.print(f"Open this page in a browser on this machine and allow access to {address}:", markup=False)
        notes.print(attempt.url, markup=False, soft_wrap=True)
        if browser:
            webbrowser.open(attempt.url)
        code, error = port.wait(attempt.state, timeout_s)
        user = stores.add_account(address, attempt.finish(code, error, datetime.now(UTC)))
    notes.print(f"Added {user.email} (shard {user.shard_id}). Next: gbm backfill {user.email} --wait")


@app.command()
@command
def add_domain(
    domain: Annotated[str, typer.Argument(help="The Google Workspace domain, such as example.com.")],
    service_account: Annotated[Path, typer.Option(help="The service account's JSON key file.")],
    admin: Annotated[str, typer.Option(help="Address of an administrator who may list the domain's users.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the new users without adding them.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Add every active user of a Google Workspace domain.

    Run it again to add users who joined since. Suspended and archived users are skipped; no mailbox is removed. The
    service account needs domain-wide delegation (Admin console, Security, API controls) for the scopes
    https://www.googleapis.com/auth/gmail.readonly and https://www.googleapis.com/auth/admin.directory.user.readonly.

    Example: gbm accounts add-domain example.com --service-account key.json --admin it@example.com
    """
    content, admin_address = _content(service_account), checked_address(admin)
    checked_address(f"postmaster@{domain}")
    with open_stores(settings()) as stores:
        known = {user.email for user in stores.control.users()}
        if dry_run:
            users = stores.discover(domain.lower(), content, admin_address)
            emails = [user.email for user in users if user.active]
            skipped = [user.email for user in users if not user.active]
        else:
            added, skipped = stores.add_domain(domain.lower(), content, admin_address)
            emails = [user.email for user in added]
    gone = sorted(email for email in known - {*emails} if email.endswith("@" + domain.lower()))
    new = [email for email in emails if email not in known]
    if json:
        print_json({"users": emails, "new": new, "passed_over": skipped, "not_active_any_more": gone})
    for email in new if not json else ():
        out.print(email, markup=False)
    notes.print(
        f"{len(emails)} active users in {domain}, {len(new)} new. Skipped {len(skipped)} suspended or archived "
        f"users. {len(gone)} mailboxes belong to users who are no longer active; they are kept.",
        markup=False,
    )
    if not dry_run:
        notes.print("Next: gbm backfill --all", markup=False)


@app.command(name="list")
@command
def list_accounts(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List all mailboxes with their phase and the number of stored messages."""
    with open_stores(settings()) as stores:
        rows, paused = [], {user_id for shard in stores.shards for user_id in stores.control.paused(shard)}
        for user in stores.control.users():
            state = stores.reader(user).state()
            rows.append(
                {
                    "email": user.email,
                    "shard": user.shard_id,
                    "phase": state.phase.value if state else "new",
                    "paused": user.user_id in paused,
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
        error = f"  {row['error']}" if row["error"] else ""
        phase = "paused" if row["paused"] else row["phase"]
        out.print(f"{row['email']:<40} {phase:<8} {row['messages']:>10,} messages{error}", markup=False)


@app.command()
@command
def pause(email: Annotated[str, typer.Argument(help="The mailbox's address.")]) -> None:
    """Pause a mailbox's backup until `gbm accounts resume`. Stored mail stays readable."""
    address = _set_paused(email, True)
    notes.print(f"Paused the backup of {address}. To resume: gbm accounts resume {address}", markup=False)


@app.command()
@command
def resume(email: Annotated[str, typer.Argument(help="The mailbox's address.")]) -> None:
    """Resume a paused mailbox's backup where it stopped."""
    notes.print(f"Resumed the backup of {_set_paused(email, False)}.", markup=False)


def _set_paused(email: str, paused: bool) -> str:
    with open_stores(settings()) as stores:
        user = stores.control.user(checked_address(email))
        stores.control.pause(user.user_id, paused)  # for shard owners that start later
        try:
            address = str(stores.home.recorded()["ray"])
        except NotRunning:
            return user.email
        from cluster.owners import rest_mailbox

        rest_mailbox(stores.home, address, user, paused)
    return user.email


@app.command()
@command
def remove(email: Annotated[str, typer.Argument(help="The mailbox's address.")]) -> None:
    """Stop backing up a mailbox and delete its credentials. Stored mail is kept."""
    with open_stores(settings()) as stores:
        stores.control.remove_user(stores.control.user(email).user_id)
    notes.print(f"Removed {email}. Its stored mail is kept.", markup=False)
