"""The gateway and its services."""
