"""The stateless work, over real sockets."""
