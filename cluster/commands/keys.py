"""`gbm keys`: API keys for the gateway."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

import typer

from cluster.commands.accounts import checked_address
from cluster.console import command, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings


class KeyScope(StrEnum):
    """Copy of serve.auth.policies.Scope, whose import is too slow for every command."""

    MAIL = "mail"
    ANALYTICS = "analytics"
    SYNC = "sync"
    KEYS = "keys"
    CAMPAIGNS = "campaigns"
    AUDIT = "audit"
    RESTORE = "restore"
    EVENTS = "events"


app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)


@app.command()
@command
def create(
    email: Annotated[str, typer.Argument(help="Address of the key's user.")],
    role: Annotated[Literal["owner", "operator", "auditor"], typer.Option(help="Role of the key.")] = "owner",
    scope: Annotated[
        list[KeyScope] | None,
        typer.Option(help="Restrict the key to this scope; may be repeated. By default all but restore."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3660, help="Days until the key expires; by default it does not expire.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create an API key for the HTTP gateway and print it once; only its hash is stored.

    An owner reads their own mailbox. An operator also runs campaigns; an auditor also reads the audit log. To read
    another user's mail, an operator or auditor needs a grant (POST /api/v1/auth/grants), which is written to the audit
    log and visible to the mailbox's owner. A key restores mail into Gmail only with --scope restore; an operator also
    needs a grant that allows it.

    Example: gbm keys create ada@example.com --scope mail --days 90
    """
    from serve.auth.api_keys import new_key

    address = checked_address(email)
    expires_at = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    with open_stores(settings()) as stores:
        user = stores.control.user(address)
        key = new_key()
        stores.control.save_key(key.key_id, user.user_id, role, key.secret_hash, expires_at, scope)
    if json:
        print_json(
            {
                "key_id": key.key_id,
                "api_key": key.text.get_secret_value(),
                "email": address,
                "role": role,
                "scopes": scope,
                "expires_at": expires_at.isoformat() if expires_at else None,
            }
        )
        return
    notes.print(f"Created key {key.key_id} for {address}. Save the key: it is not shown again.", markup=False)
    out.print(key.text.get_secret_value(), markup=False)


@app.command(name="rotate-sealing")
@command
def rotate_sealing(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Seal every stored secret with the current sealing key, so that old keys can be deleted.

    First put the new key in GBM_SEALING__KEY (or GBM_HOME/sealing.key), name files of the old keys in
    GBM_SEALING__OLD_KEYS (a JSON list of paths), and restart the cluster. It may run meanwhile; an interrupted run
    continues when the command is repeated.

    Example: GBM_SEALING__OLD_KEYS='["/etc/gbm/old.key"]' gbm keys rotate-sealing
    """
    from storage.control.resealing import reseal

    with open_stores(settings()) as stores, notes.status("") as status:
        done = reseal(
            stores.databases.control, stores.sealer, lambda seen, total: status.update(f"{seen} of {total} secrets")
        )
    if json:
        print_json(
            {"resealed": done.resealed, "current": done.current, "unopened": [name for name, _ in done.unopened]}
        )
    for name, reason in done.unopened:
        notes.print(f"{name}: {reason}", markup=False)
    if done.unopened:
        fail(f"{len(done.unopened)} secrets were sealed with other keys: name those in GBM_SEALING__OLD_KEYS.")
    notes.print(
        f"Sealed {done.resealed} secrets again; {done.current} were current. Remove GBM_SEALING__OLD_KEYS and restart"
        " the cluster. Keep the old keys as long as the database backups and upgrade copies made before."
    )


@app.command(name="list")
@command
def list_keys(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List all API keys, without their secrets."""
    with open_stores(settings()) as stores:
        keys = stores.control.keys()
    if json:
        print_json(
            [
                {
                    "key_id": key.key_id,
                    "email": key.email,
                    "role": key.role,
                    "scopes": key.scopes,
                    "created_at": key.created_at.isoformat(),
                    "expires_at": key.expires_at.isoformat() if key.expires_at else None,
                    "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
                    "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
                }
                for key in keys
            ]
        )
        return
    for key in keys:
        expired = key.expires_at is not None and key.expires_at <= datetime.now(UTC)
        state = "revoked" if key.revoked_at else "expired" if expired else "live"
        scopes = "" if key.scopes is None else f" ({', '.join(key.scopes)} only)"
        out.print(f"{key.key_id:<20} {key.role:<10} {state:<8} {key.email}{scopes}", markup=False)


@app.command()
@command
def revoke(key_id: Annotated[str, typer.Argument(help="Id of the key, from `gbm keys list`.")]) -> None:
    """Revoke an API key and every token issued for it."""
    with open_stores(settings()) as stores:
        if not stores.control.revoke_key(key_id):
            fail(f"Key {key_id} does not exist or is revoked: see `gbm keys list`.")
    notes.print(f"Revoked key {key_id}.", markup=False)
