"""The feed of events: pages and server-sent events."""
