"""All checks of one installation, in the order in which a person would correct their findings."""

from collections.abc import Iterator
from contextlib import ExitStack

from cluster.doctor import databases, gmail, machine, mailboxes
from cluster.doctor.finding import Finding, Level, run
from cluster.settings import Settings
from cluster.stores import home_of, open_databases
from storage.control.sealing import KeyPlace
from storage.errors import BackupError


def examine(settings: Settings) -> Iterator[Finding]:
    """The findings of every check. Changes nothing; starts the embedded server only if its data exists."""
    home = home_of(settings)
    running = home.existing is not None or home.owner_pid() is not None
    yield from run(machine.checks(settings, home))
    if settings.postgres.control_dsn is None and not home.postgres.exists():
        yield Finding("databases", Level.OK, "no databases yet; the first `gbm up` creates them")
        yield from run(gmail.checks(settings.gmail, None))
        return
    with ExitStack() as stack:
        try:
            opened, _ = stack.enter_context(open_databases(settings, lambda _: None))
        except BackupError as exc:
            yield Finding("databases", Level.ERROR, str(exc))
            yield from run(gmail.checks(settings.gmail, None))
            return
        old = tuple(path.absolute() for path in settings.sealing.old_keys)
        place = KeyPlace("", home.sealing_key, old)
        yield from run(databases.checks(settings, home, opened, place))
        yield from run(gmail.checks(settings.gmail, opened))
        yield from run(mailboxes.checks(opened, running))
