"""`gbm verify`: prove that the backup is whole."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.lazy_imports import open_stores, settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from storage.verification.verification import Subset

#: Damaged files, and messages of a list, that are named one by one; --json and --report name all.
_LISTED = 20
_PART = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")


@command
def verify(
    email: Annotated[str | None, typer.Argument(help="The mailbox's address.")] = None,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Every mailbox, and every file of the archive.")] = False,
    against_gmail: Annotated[
        bool, typer.Option("--against-gmail", help="Also compare ids and labels with Gmail; needs the running cluster.")
    ] = False,
    part: Annotated[
        str | None, typer.Option("--read-data-subset", metavar="N/T", help="Read only part N of T of the files.")
    ] = None,
    copy: Annotated[
        str | None,
        typer.Option("--from", metavar="URI", help="Repair damaged files from a copy of the archive, file:///FOLDER."),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report to this file, as JSON.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Verify that every stored message and file is exactly what was written.

    Compares every file of the mailbox with the SHA-256 recorded when it was written, every message with its own, and
    the message index with the files. Damaged files and messages are named. The exit code is 0 if everything is intact,
    1 if something is damaged, missing or different at Gmail, and 130 after Ctrl-C. The backup may continue meanwhile.

    Example: gbm verify ada@example.com --against-gmail
    """
    from cluster import verifying
    from storage.files.blobs import open_blobs

    if everybody == bool(email):
        fail("Nothing to verify: name one mailbox, or give --all.")
    subset = _subset(part) if part else None
    with open_stores(settings()) as stores:
        user = stores.control.user(email) if email else None
        users = [user] if user else stores.control.users()
        found = verifying.verify(stores, user, subset, open_blobs(copy) if copy else None)
        if against_gmail:
            for each in users:
                verifying.against_gmail(stores, each, found)
    document = found.document()
    if report is not None:
        _write(report, document)
    if json:
        print_json(document)
    else:
        _tell(document)
    if not found.is_whole:
        raise typer.Exit(1)


def _subset(part: str) -> "Subset":
    from storage.verification.verification import Subset

    match = _PART.fullmatch(part)
    if match is None or int(match[1]) > int(match[2]):
        fail(f"{part!r} is not a part of the files: use for example 1/30, up to 30/30.")
    return Subset(int(match[1]), int(match[2]))


def _write(path: Path, document: dict[str, Any]) -> None:
    import orjson

    try:
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as exc:
        fail(f"The report {path} cannot be written ({exc.strerror}): choose another file.")


def _tell(document: dict[str, Any]) -> None:
    for damage in document["damaged"][:_LISTED]:
        out.print(f"DAMAGED {damage['file']}: {damage['reason']}", markup=False)
        for email, ids in damage["messages"].items():
            out.print(f"  {count(len(ids))} messages of {email}: {_some(ids)}", markup=False)
    if len(document["damaged"]) > _LISTED:
        out.print(f"and {count(len(document['damaged']) - _LISTED)} more: see --json")
    for name in document["repaired"]:
        out.print(f"REPAIRED {name}", markup=False)
    for mailbox in document["mailboxes"]:
        part = f" (part {document['part']})" if document["part"] else ""
        whole = f"{count(mailbox['intact'])} of {count(mailbox['messages'])} messages are intact{part}"
        out.print(f"{mailbox['email']}: {whole}.", markup=False)
    seconds = max((document["ended_at"] - document["began_at"]).total_seconds(), 0.001)
    out.print(
        f"{count(document['files'])} files read, {size(document['stored_bytes'])}, "
        f"with {size(document['mail_bytes'])} of mail, in {seconds:.1f} s; {count(len(document['damaged']))} damaged.",
        markup=False,
    )
    if document["digests_recorded"]:
        notes.print(
            f"{count(document['digests_recorded'])} files had no recorded SHA-256: their structure was verified, and "
            "their SHA-256 is recorded now."
        )
    for compared in document["gmail"]:
        _tell_gmail(compared)


def _tell_gmail(compared: dict[str, Any]) -> None:
    if compared["equal"]:
        out.print(
            f"{compared['email']}: Gmail has the same {count(compared['messages'])} messages, with the same "
            f"{count(compared['labels'])} labels.",
            markup=False,
        )
        return
    out.print(f"{compared['email']}: Gmail lists {count(compared['messages'])} messages. Differences:", markup=False)
    if compared["missing"]:
        waiting = f" ({count(len(compared['waiting']))} are going to be fetched: see `gbm failures`)"
        waiting = waiting if compared["waiting"] else ""
        out.print(f"  {count(len(compared['missing']))} are not stored{waiting}: {_some(compared['missing'])}")
    if compared["surplus"]:
        out.print(f"  {count(len(compared['surplus']))} are not in Gmail any more: {_some(compared['surplus'])}")
    for key, where in (("labels_in_gmail_only", "in Gmail only"), ("labels_in_the_backup_only", "in the backup only")):
        for label, ids in compared[key].items():
            out.print(f"  {count(len(ids))} carry {label} {where}: {_some(ids)}", markup=False)


def _some(ids: list[str]) -> str:
    more = f" and {count(len(ids) - _LISTED)} more" if len(ids) > _LISTED else ""
    return " ".join(ids[:_LISTED]) + more
