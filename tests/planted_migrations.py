"""Migrations that a release after this one might have, planted after the newest of each schema.

Tests of upgrades use them, so that they hold whatever migrations the project has. As a program,
`python -m tests.planted_migrations FOLDER COMMAND ...` is a `gbm` of that later release.
"""

import os
import shutil
import sys
from pathlib import Path

from storage.db import migrate

#: Revisions of the planted migrations, two of each schema.
PLANTED = ("9001", "9002")
_TEXT = '''"""Planted."""

from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    """Add a column, fill it, index it, make a table."""
    op.execute("ALTER TABLE {table} ADD COLUMN planted_{revision} text")
    op.execute("UPDATE {table} SET planted_{revision} = 'planted'")
    op.execute("CREATE INDEX {table}_planted_{revision} ON {table} (planted_{revision})")
    op.execute("SELECT pg_sleep({pause_s})")
    op.execute("CREATE TABLE planted_{revision} AS SELECT count(*) AS counted FROM {table}")
'''
_TABLES = {"control": "users", "shard": "messages"}


def plant(folder: Path, pause_s: float = 0.0) -> None:
    """Write the migrations of a later release into a folder. pause_s: that each of them takes longer."""
    shutil.copytree(migrate._MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for kind, table in _TABLES.items():
        before = migrate.newest_revisions()[kind]
        for revision in PLANTED:
            text = _TEXT.format(revision=revision, before=before, table=table, pause_s=pause_s)
            (folder / kind / "versions" / f"{revision}_planted.py").write_text(text)
            before = revision


def use(folder: Path) -> None:
    """Be a program with the migrations of this folder, in this process."""
    migrate._MIGRATIONS = folder
    migrate._revisions.cache_clear()


def main(folder: Path, command: list[str]) -> None:
    """Run a `gbm` command of the later release."""
    use(folder)
    from cluster import main as program

    sys.argv = ["gbm", *command]
    program.main()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main(Path(sys.argv[1]), sys.argv[2:])
