"""The sync application: synchronisation, campaigns, operations, Gmail pushes."""
