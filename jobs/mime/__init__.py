"""MIME: from a message's raw bytes to what the archive stores of it, whatever the bytes are."""
