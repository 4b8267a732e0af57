"""Campaigns that compare mailboxes with Gmail."""

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    "ALTER TABLE campaigns DROP CONSTRAINT IF EXISTS campaigns_mode_check",
    "ALTER TABLE campaigns ADD CONSTRAINT campaigns_mode_check CHECK (mode IN ('full', 'incremental', 'reconcile'))",
)


def upgrade() -> None:
    """Allow the mode; campaigns that there are have one of the others."""
    for statement in STATEMENTS:
        op.execute(statement)
