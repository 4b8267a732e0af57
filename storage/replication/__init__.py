"""Read replicas: session tokens, replica health, routing of reads."""
