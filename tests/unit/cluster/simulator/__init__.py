"""The simulator's parts, without a socket."""
