"""The audit log of changes to accounts, keys and schemas. Partitioned by time (storage/db/partitions.py)."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    "CREATE SEQUENCE audit_entry_ids",
    """
    CREATE TABLE audit (
        entry_id bigint NOT NULL DEFAULT nextval('audit_entry_ids'),
        at       timestamptz NOT NULL DEFAULT now(),
        actor    text NOT NULL,                -- an address, or which program
        action   text NOT NULL,                -- such as account.add
        subject  text NOT NULL,                -- what it was done to
        detail   jsonb NOT NULL,               -- never a secret
        PRIMARY KEY (entry_id, at)
    ) PARTITION BY RANGE (at)
    """,
    "ALTER SEQUENCE audit_entry_ids OWNED BY audit.entry_id",
    "CREATE TABLE audit_default PARTITION OF audit DEFAULT",
)


def upgrade() -> None:
    """Create the table."""
    for statement in STATEMENTS:
        op.execute(statement)
