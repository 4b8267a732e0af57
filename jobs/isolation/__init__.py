"""Child processes for code that may hang, crash or exhaust memory: plug-ins, and mail on which a worker died."""
