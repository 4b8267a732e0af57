"""No Ray, no sockets."""
