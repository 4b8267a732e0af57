-- Tell the planner of what a measurement made.
ANALYZE messages, label_events, segments, segment_users
