"""Gmail's search language: parsed into a tree, printed, evaluated on one message, and planned for the indexes."""
