"""Checks of the databases: reachable, migrated, in time with this machine, backed up; the sealing key; replicas."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from cluster.doctor.finding import Check, Finding, Level
from cluster.home import Home
from cluster.settings import Settings
from storage.control.control import Control
from storage.control.sealing import KeyPlace, context, load_key
from storage.db import migrate
from storage.db.audit import BACKUP_ACTION, Audit
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.replication.routing import Replicas

#: PostgreSQL's oldest major version that this release is tested with.
_OLDEST_SERVER = 14
#: Difference between this machine's clock and a server's from which leases and tokens are at risk.
_SKEW = timedelta(seconds=5)
#: Age of the last backup of the databases from which it is reported.
_OLD_BACKUP = timedelta(days=7)
#: Roll-ups that may be missed before their delay is reported.
_LATE_ROLLUPS = 3
_NEWEST_ID = (1 << 63) - 1


def checks(settings: Settings, home: Home, databases: Databases, place: KeyPlace) -> list[Check]:
    """The checks of the databases. place: where the sealing keys are."""
    return [
        ("databases", lambda: servers(databases)),
        ("schemas", lambda: schemas(databases)),
        ("sealing key", lambda: sealing_key(settings, home, databases, place)),
        ("replicas", lambda: replicas(databases)),
        ("database backup", lambda: backups(settings, databases)),
        ("roll-ups", lambda: rollups(settings, databases)),
    ]


def servers(databases: Databases) -> Iterator[Finding]:
    """Every server answers, is new enough, and agrees on the time."""
    engines = {"control": databases.control}
    for index in range(databases.shard_databases):
        engines[f"shard database {index}"] = databases.shard_database(index)
    for label, engine in engines.items():
        version, skew = _version_and_skew(engine)
        if version < _OLDEST_SERVER:
            detail = f"{label}: PostgreSQL {version} is too old"
            yield Finding(
                "databases", Level.ERROR, detail, f"upgrade the server to PostgreSQL {_OLDEST_SERVER} or newer"
            )
        elif abs(skew) > _SKEW:
            detail = f"{label}: the server's clock differs by {skew.total_seconds():.0f} s from this machine's"
            yield Finding("databases", Level.WARNING, detail, "synchronise both clocks (chrony, systemd-timesyncd)")
        else:
            yield Finding("databases", Level.OK, f"{label}: PostgreSQL {version}")


def schemas(databases: Databases) -> Iterator[Finding]:
    """Every database has this release's schema."""
    outdated = [state for state in migrate.states(databases) if not state.current]
    for state in outdated:
        detail = (
            state.error or f"{state.label} is at revision {state.revision or 'none'}, this release needs {state.newest}"
        )
        yield Finding("schemas", Level.ERROR, detail, "" if state.error else "run `gbm db upgrade` (or `gbm up`)")
    if not outdated:
        yield Finding("schemas", Level.OK, "all databases have this release's schema")


def sealing_key(settings: Settings, home: Home, databases: Databases, place: KeyPlace) -> Iterator[Finding]:
    """The key is there, is private, and opens a stored credential."""
    control = Control(databases.control)
    if settings.sealing.key is None and not home.sealing_key.exists() and not control.has_secrets():
        yield Finding("sealing key", Level.OK, "no secret is stored yet; the first `gbm up` creates a key")
        return
    load_key(settings.sealing.key, home.sealing_key)
    sealer = place.sealer(settings.sealing.key)
    opened = 0
    for user in control.users():
        if (sealed := control.credentials(user.user_id)) is not None:
            sealer.open(sealed, context("credentials", user.user_id))
            opened += 1
    source = "GBM_SEALING__KEY" if settings.sealing.key is not None else str(home.sealing_key)
    yield Finding("sealing key", Level.OK, f"{source} opens {opened} stored credentials; keep a copy elsewhere")


def replicas(databases: Databases) -> Iterator[Finding]:
    """Every configured replica can be read."""
    watched = Replicas(databases)
    try:
        watched.check()
        found = watched.health()
    finally:
        watched.close()
    if not found:
        yield Finding("replicas", Level.OK, "none configured")
    for health in found:
        lag = "" if health.lag_s is None else f", {health.lag_s:.1f} s behind"
        if health.ready:
            yield Finding("replicas", Level.OK, f"{health.name}: ready{lag}")
        else:
            remedy = "reads use the primary until the replica is ready; check its server and its replication"
            yield Finding("replicas", Level.WARNING, f"{health.name}: {health.state}{lag}", remedy)


def backups(settings: Settings, databases: Databases) -> Iterator[Finding]:
    """A recent `gbm db backup` is on record. Without one, `gbm db rebuild` still restores all but secrets and keys."""
    newest = Audit(databases.control).newest(_NEWEST_ID, 1, BACKUP_ACTION)
    age = datetime.now(UTC) - newest[0].at if newest else None
    wanted = settings.environment == "production"
    remedy = "run `gbm db backup --out FOLDER` regularly, and keep the sealing key elsewhere"
    if age is None:
        detail = "no `gbm db backup` is on record; a rebuild from the archive lacks credentials and API keys"
        yield Finding("database backup", Level.WARNING if wanted else Level.OK, detail, remedy if wanted else "")
    elif age > _OLD_BACKUP:
        yield Finding("database backup", Level.WARNING, f"the last backup is {age.days} days old", remedy)
    else:
        yield Finding("database backup", Level.OK, f"{newest[0].subject}, {_hours(age)} old")


def rollups(settings: Settings, databases: Databases) -> Iterator[Finding]:
    """The archive holds the state of every shard, as of at most a few roll-ups ago."""
    bound = timedelta(seconds=settings.archive.rollup_s * _LATE_ROLLUPS)
    late = 0
    for index in range(databases.shard_databases):
        with transaction(databases.shard_database(index)) as connection:
            for row in connection.execute(query("rollup_lags")):
                if row.lag > bound:
                    late += 1
                    detail = f"shard {row.shard_id}: mail of {_hours(row.lag)} is not in a roll-up"
                    remedy = "run `gbm db rollup`, and see the cluster's log if it fails"
                    yield Finding("roll-ups", Level.WARNING, detail, remedy)
    if not late:
        yield Finding("roll-ups", Level.OK, "the archive can rebuild every shard's state")


def _version_and_skew(engine: Engine) -> tuple[int, timedelta]:
    """The server's major version, and how far its clock is ahead of this machine's."""
    with transaction(engine) as connection:
        before = datetime.now(UTC)
        row = connection.execute(text("SELECT current_setting('server_version_num')::integer, clock_timestamp()")).one()
        after = datetime.now(UTC)
    return row[0] // 10_000, row[1] - (before + (after - before) / 2)


def _hours(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.1f} hours"
