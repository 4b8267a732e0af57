"""Exports, over real stores."""
