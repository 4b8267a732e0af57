"""Unit tests of serve/: no Ray, no sockets."""
