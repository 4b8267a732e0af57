"""The HTTP gateway and its applications."""
