"""The stateless work, without sockets."""
