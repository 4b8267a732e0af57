"""What a message says, as columns: small pure analysers, one shape, run over every message once."""
