-- Update the planner's statistics after a benchmark has created rows.
ANALYZE messages, label_events, segments, segment_users
