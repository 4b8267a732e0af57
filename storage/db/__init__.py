"""PostgreSQL: engines, migrations, partitions, the audit log, and the files of named queries."""
