"""Versioned schemas of the control database (`control/`) and of every shard database (`shard/`), run by Alembic."""
