"""The composition root: settings, session, command line, simulator."""
