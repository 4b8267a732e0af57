"""Rendering for people: sizes and durations, tables, charts, the report. Used by the gateway and the command line."""
