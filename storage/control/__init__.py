"""The control database: accounts, credentials, keys, tokens, grants, campaigns, sealing."""
