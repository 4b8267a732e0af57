"""Alembic's entry for the shard schema: runs on the connection that storage/db/migrate.py hands over."""

from alembic import context

connection = context.config.attributes["connection"]
on_step = context.config.attributes.get("on_step", lambda _: None)
context.configure(
    connection=connection,
    transaction_per_migration=False,
    on_version_apply=lambda step, **_: on_step(step.up_revision_id),
)
with context.begin_transaction():
    context.run_migrations()
