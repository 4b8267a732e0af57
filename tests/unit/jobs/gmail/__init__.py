"""The Gmail client, without sockets."""
