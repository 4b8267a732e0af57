"""What people read: sizes and durations, tables, charts, the report. The gateway and the command line share it."""
