"""From one version to the next: a home's version, the copy before a migration, the upgrade itself, what it would do."""
