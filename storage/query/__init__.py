"""Gmail's search language: read into a tree, printed, evaluated on one message, and planned for the indexes."""
